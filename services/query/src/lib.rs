//! Reports, trends, comparisons over HTTP, from one chain's stores.
