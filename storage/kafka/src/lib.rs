//! The event log on Kafka, who owns which partition, and the topic of summaries.
