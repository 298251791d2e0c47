//! How often things happened.

/// How often things happened: a run in which nothing happens proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answers that clients got.
    pub answers: u64,
    /// Requests of clients that got none.
    pub unanswered: u64,
    /// Answers of chains that were behind the token.
    pub behind: u64,
    /// Requests that were put to the second chain: hedges and retries.
    pub second_asks: u64,
    /// Breakers that opened.
    pub breakers: u64,
    /// Elections that were won.
    pub elections: u64,
    /// Decisions.
    pub decisions: u64,
    /// Switches among them.
    pub switches: u64,
    /// Those by the judge.
    pub automatic_switches: u64,
    /// Quarantines by the judge.
    pub quarantines: u64,
    /// Entries that the rules refused.
    pub refused: u64,
    /// Linearizable reads.
    pub reads: u64,
    /// Beats that were published.
    pub published: u64,
    /// Publishers that found a newer epoch and stopped.
    pub publishers_stopped: u64,
    /// Wrong figures that were served before the chain was named and left.
    pub wrong_figures: u64,
    /// Runs in which the active chain was down, or wrong, when it got calm.
    pub left_over: u64,
}

impl Counters {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.unanswered += other.unanswered;
        self.behind += other.behind;
        self.second_asks += other.second_asks;
        self.breakers += other.breakers;
        self.elections += other.elections;
        self.decisions += other.decisions;
        self.switches += other.switches;
        self.automatic_switches += other.automatic_switches;
        self.quarantines += other.quarantines;
        self.refused += other.refused;
        self.reads += other.reads;
        self.published += other.published;
        self.publishers_stopped += other.publishers_stopped;
        self.wrong_figures += other.wrong_figures;
        self.left_over += other.left_over;
    }

    /// All of them, by name.
    pub fn named(&self) -> [(&'static str, u64); 16] {
        [
            ("answers", self.answers),
            ("unanswered", self.unanswered),
            ("behind", self.behind),
            ("second_asks", self.second_asks),
            ("breakers", self.breakers),
            ("elections", self.elections),
            ("decisions", self.decisions),
            ("switches", self.switches),
            ("automatic_switches", self.automatic_switches),
            ("quarantines", self.quarantines),
            ("refused", self.refused),
            ("reads", self.reads),
            ("published", self.published),
            ("publishers_stopped", self.publishers_stopped),
            ("wrong_figures", self.wrong_figures),
            ("left_over", self.left_over),
        ]
    }
}
