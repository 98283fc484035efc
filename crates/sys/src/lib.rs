//! The few system interfaces that the standard library lacks, behind a safe face.
