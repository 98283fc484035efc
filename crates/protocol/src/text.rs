//! How the client prints an answer.
