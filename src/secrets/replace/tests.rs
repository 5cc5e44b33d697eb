//! A run killed at every point between two system calls that matter, and errors on the way.

use super::*;

/// A tree with three files, two of them replaced and one new.
struct Tree {
    dir: tempfile::TempDir,
}

const NAMES: [&str; 3] = ["a", "b", "new"];

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tree")).unwrap();
        for name in ["a", "b"] {
            std::fs::write(dir.path().join("tree").join(name), "old").unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("tree").join(name)
    }

    fn begin(&self) -> Result<Batch> {
        let targets = NAMES.map(|name| self.path(name));
        Batch::begin_in(
            &self.dir.path().join("state"),
            self.dir.path(),
            &targets,
            |_| (),
        )
    }

    /// What a later run says and leaves.
    fn recover(&self) -> Vec<String> {
        let mut said = Vec::new();
        let (_lock, path) = lock(&self.dir.path().join("state"), self.dir.path()).unwrap();
        journal::recover(&path, |text| said.push(text)).unwrap();
        assert!(!path.exists(), "the journal stays");
        said
    }

    fn contents(&self) -> [Option<String>; 3] {
        NAMES.map(|name| std::fs::read_to_string(self.path(name)).ok())
    }

    fn assert_no_leftovers(&self) {
        let left = std::fs::read_dir(self.dir.path().join("tree")).unwrap();
        for entry in left {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.contains("spinet"), "{name} is left");
        }
    }
}

fn prepare(batch: &Batch, index: usize) -> Prepared {
    let before = std::fs::read(&batch.journal.files[index].target).ok();
    batch.prepare(index, before.as_deref(), b"new").unwrap()
}

/// As a commit does first.
fn replacing(batch: &mut Batch) {
    for file in prepare_all(batch) {
        let entry = &mut batch.journal.files[file.index];
        (entry.before, entry.after) = (file.before, Some(file.after));
    }
    batch.journal.phase = Phase::Replacing;
    batch.journal.write(&batch.path).unwrap();
}

fn prepare_all(batch: &Batch) -> Vec<Prepared> {
    (0..3).map(|i| prepare(batch, i)).collect()
}

fn old() -> [Option<String>; 3] {
    [Some("old".into()), Some("old".into()), None]
}

fn new() -> [Option<String>; 3] {
    [(); 3].map(|()| Some("new".into()))
}

/// As a kill leaves it: nothing is cleaned up, the lock goes with the process.
fn kill(batch: Batch) {
    let mut batch = batch;
    batch.committed = true;
}

#[test]
fn all_are_replaced_with_mode_and_link_kept() {
    let tree = Tree::new();
    std::fs::set_permissions(tree.path("a"), Permissions::from_mode(0o640)).unwrap();
    std::fs::rename(tree.path("b"), tree.path("real")).unwrap();
    std::os::unix::fs::symlink("real", tree.path("b")).unwrap();
    let batch = tree.begin().unwrap();
    let prepared = prepare_all(&batch);
    batch.commit(prepared).unwrap();
    assert_eq!(tree.contents(), new());
    assert_eq!(tree.path("a").metadata().unwrap().mode() & 0o777, 0o640);
    assert!(tree.path("b").is_symlink());
    tree.assert_no_leftovers();
    assert_eq!(tree.recover(), [""; 0]);
}

#[test]
fn a_kill_before_the_replacing_leaves_everything_as_it_was() {
    for prepared in 0..=3 {
        let tree = Tree::new();
        let batch = tree.begin().unwrap();
        for index in 0..prepared {
            prepare(&batch, index);
        }
        kill(batch);
        assert_eq!(tree.contents(), old());
        assert_eq!(tree.recover().len(), 1);
        assert_eq!(tree.contents(), old());
        tree.assert_no_leftovers();
    }
}

#[test]
fn a_kill_while_replacing_is_finished_by_the_next_run() {
    for replaced in 0..=3 {
        let tree = Tree::new();
        let mut batch = tree.begin().unwrap();
        replacing(&mut batch);
        for entry in &batch.journal.files[..replaced] {
            entry.put_in_place().unwrap();
        }
        kill(batch);
        assert_eq!(tree.recover().len(), 1);
        assert_eq!(tree.contents(), new());
        tree.assert_no_leftovers();
    }
}

#[test]
fn what_somebody_changed_since_is_left_alone() {
    let tree = Tree::new();
    let mut batch = tree.begin().unwrap();
    replacing(&mut batch);
    kill(batch);
    std::fs::write(tree.path("b"), "theirs").unwrap();
    let said = tree.recover().join("\n");
    assert!(said.contains("left as it is"), "{said}");
    assert_eq!(
        tree.contents(),
        [
            Some("new".into()),
            Some("theirs".into()),
            Some("new".into())
        ]
    );
    tree.assert_no_leftovers();

    let batch = tree.begin().unwrap();
    let prepared = prepare_all(&batch);
    std::fs::write(tree.path("a"), "theirs too").unwrap();
    let error = batch.commit(prepared).unwrap_err().to_string();
    assert!(error.contains("meanwhile"), "{error}");
    assert_eq!(
        tree.contents()[1..],
        [Some("theirs".into()), Some("new".into())]
    );
    tree.assert_no_leftovers();
}

#[test]
fn an_error_half_way_takes_back_what_was_replaced() {
    let tree = Tree::new();
    let batch = tree.begin().unwrap();
    let prepared = prepare_all(&batch);
    std::fs::remove_file(&batch.journal.files[1].fresh).unwrap();
    let shown = crate::error::render(&batch.commit(prepared).unwrap_err());
    assert!(shown.contains("All files are as before."), "{shown}");
    assert_eq!(tree.contents(), old());
    tree.assert_no_leftovers();
}

#[test]
fn two_runs_at_once_keep_out_of_each_others_way() {
    let tree = Tree::new();
    let _first = tree.begin().unwrap();
    let error = tree.begin().unwrap_err().to_string();
    assert!(error.contains("already"), "{error}");
}

#[test]
fn a_damaged_journal_stops_with_the_remedy() {
    let tree = Tree::new();
    drop(tree.begin().unwrap());
    std::fs::write(tree.dir.path().join("state").join(JOURNAL), "{").unwrap();
    let shown = crate::error::render(&tree.begin().unwrap_err());
    assert!(
        shown.contains("is damaged") && shown.contains("remove them"),
        "{shown}"
    );
}
