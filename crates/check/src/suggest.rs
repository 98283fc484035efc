//! What may have been meant, as the help of a diagnostic.

use stockade_config::nearest;

/// `did you mean …?`, where something may have been meant.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}
