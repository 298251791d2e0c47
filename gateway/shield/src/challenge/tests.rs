use super::*;

const NOW_MS: u64 = 1_700_000_000_000;

fn challenges(settings: Settings) -> Challenges {
    Challenges::new(Settings { difficulty_bits: 8, ..settings }, &[7; 32])
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn solution(puzzle: &str) -> String {
    (0..).map(|number: u32| number.to_string()).find(|text| zero_bits(puzzle, text) >= 8).unwrap()
}

#[test]
fn a_solved_puzzle_clears_its_network_for_its_time() {
    let challenges = challenges(Settings::default());
    let home = address("192.0.2.1");
    let puzzle = challenges.puzzle(home, NOW_MS, 5);
    let (clearance, until_ms) = challenges.solve(&puzzle, &solution(&puzzle), home, NOW_MS + 1).unwrap();
    assert_eq!(until_ms, NOW_MS + 1 + 1_800_000);
    let cases = [
        ("192.0.2.1", NOW_MS + 2, Ok(())),
        ("192.0.2.200", NOW_MS + 2, Ok(())),
        ("::ffff:192.0.2.9", NOW_MS + 2, Ok(())),
        ("192.0.3.1", NOW_MS + 2, Err(ChallengeError::Signature)),
        ("2001:db8::1", NOW_MS + 2, Err(ChallengeError::Signature)),
        ("192.0.2.1", until_ms - 1, Ok(())),
        ("192.0.2.1", until_ms, Err(ChallengeError::Expired)),
    ];
    for (from, now_ms, expected) in cases {
        assert_eq!(challenges.is_cleared(&clearance, address(from), now_ms), expected, "{from} {now_ms}");
    }
}

#[test]
fn a_solution_counts_once() {
    let challenges = challenges(Settings::default());
    let home = address("2001:db8::1");
    let puzzle = challenges.puzzle(home, NOW_MS, 5);
    let solution = solution(&puzzle);
    assert!(challenges.solve(&puzzle, &solution, home, NOW_MS).is_ok());
    assert_eq!(challenges.solve(&puzzle, &solution, home, NOW_MS), Err(ChallengeError::Replayed));
}

#[test]
fn what_is_not_ours_solved_or_in_time_is_refused() {
    let challenges = challenges(Settings::default());
    let home = address("192.0.2.1");
    let puzzle = challenges.puzzle(home, NOW_MS, 5);
    let right = solution(&puzzle);
    let unsolved = (0..).map(|n: u32| n.to_string()).find(|text| zero_bits(&puzzle, text) < 8).unwrap();
    let easier = puzzle.replacen("p1.8.", "p1.1.", 1);
    let foreign = Challenges::new(Settings::default(), &[8; 32]).puzzle(home, NOW_MS, 5);
    let clearance = challenges.solve(&puzzle, &right, home, NOW_MS).unwrap().0;
    let cases = [
        (puzzle.as_str(), unsolved.as_str(), NOW_MS, ChallengeError::Unsolved),
        (&puzzle, &right, NOW_MS + 120_000, ChallengeError::Expired),
        (&puzzle, "", NOW_MS, ChallengeError::Form),
        (&puzzle, "a b", NOW_MS, ChallengeError::Form),
        (&easier, &right, NOW_MS, ChallengeError::Signature),
        (&foreign, &right, NOW_MS, ChallengeError::Signature),
        (&clearance, &right, NOW_MS, ChallengeError::Form),
        ("", &right, NOW_MS, ChallengeError::Form),
        ("p1.8.1.2.é", &right, NOW_MS, ChallengeError::Form),
    ];
    for (puzzle, solution, now_ms, expected) in cases {
        assert_eq!(challenges.solve(puzzle, solution, home, now_ms), Err(expected), "{puzzle}");
    }
    assert_eq!(challenges.is_cleared(&puzzle, home, NOW_MS), Err(ChallengeError::Form));
}

#[test]
fn the_memory_of_solutions_is_bounded_and_frees_itself() {
    let challenges = challenges(Settings { remembered: 2, ..Settings::default() });
    let home = address("192.0.2.1");
    let solve = |now_ms, random| {
        let puzzle = challenges.puzzle(home, now_ms, random);
        challenges.solve(&puzzle, &solution(&puzzle), home, now_ms).map(|_| ())
    };
    assert_eq!(solve(NOW_MS, 1), Ok(()));
    assert_eq!(solve(NOW_MS, 2), Ok(()));
    assert_eq!(solve(NOW_MS, 3), Err(ChallengeError::Full));
    assert_eq!(solve(NOW_MS + 120_000, 3), Ok(()));
}

proptest::proptest! {
    #[test]
    fn no_text_panics_or_opens(text in "\\PC{0,200}", solution in "\\PC{0,40}") {
        let challenges = challenges(Settings::default());
        let home = address("192.0.2.1");
        assert!(challenges.solve(&text, &solution, home, NOW_MS).is_err());
        assert!(challenges.is_cleared(&text, home, NOW_MS).is_err());
    }
}
