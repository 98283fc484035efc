//! What the fuzzer has collected, looked at once more without it: `fuzz/` says what each subject promises.

#[path = "../../../fuzz/subjects/datetime.rs"]
mod datetime;
#[path = "../../../fuzz/subjects/definition.rs"]
mod definition;
#[path = "../../../fuzz/subjects/duration.rs"]
mod duration;
#[path = "../../../fuzz/subjects/filter.rs"]
mod filter;
#[path = "../../../fuzz/subjects/ini.rs"]
mod ini;
#[path = "../../../fuzz/subjects/memory.rs"]
mod memory;
#[path = "../../../fuzz/subjects/pattern.rs"]
mod pattern;
#[path = "../../../fuzz/subjects/pickle.rs"]
mod pickle;
#[path = "../../../fuzz/subjects/structured.rs"]
mod structured;
#[path = "../../../fuzz/subjects/tree.rs"]
mod tree;

use std::fs;
use std::path::Path;

#[test]
fn what_the_fuzzer_has_collected_does_no_harm() {
    type Subject = (&'static str, fn(&[u8]));
    const SUBJECTS: [Subject; 9] = [
        ("datetime", datetime::look),
        ("filter", filter::look),
        ("pattern", pattern::look),
        ("definition", definition::look),
        ("duration", duration::look),
        ("ini", ini::look),
        ("pickle", pickle::look),
        ("structured", structured::look),
        ("tree", tree::look),
    ];
    for (name, look) in SUBJECTS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/corpus")
            .join(name);
        let files = fs::read_dir(corpus).expect("it is in the repository");
        let files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
        assert!(files.len() > 100, "{name}: only {} files", files.len());
        for file in files {
            look(&fs::read(&file).expect("it can be read"));
        }
    }
}
