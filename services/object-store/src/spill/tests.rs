use super::*;

fn names(root: &Path) -> usize {
    fs::read_dir(root).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
}

#[test]
fn a_content_is_in_a_file_as_long_as_somebody_has_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = SpillFolder::open(root.path()).unwrap();
    let file = folder.write(b"content", *blake3::hash(b"content").as_bytes()).unwrap();
    assert_eq!((file.read().unwrap().as_ref(), folder.totals()), (b"content".as_slice(), [1, 7, 1]));
    drop(file);
    assert_eq!((folder.totals(), fs::read_dir(&folder.own).unwrap().count()), ([0, 0, 1], 1));
}

#[test]
fn a_damaged_file_is_an_error_and_not_another_content() {
    let root = tempfile::tempdir().unwrap();
    let folder = SpillFolder::open(root.path()).unwrap();
    let file = folder.write(b"content", *blake3::hash(b"content").as_bytes()).unwrap();
    fs::write(folder.own.join("0"), b"contemt").unwrap();
    assert_eq!(file.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    fs::remove_file(folder.own.join("0")).unwrap();
    assert_eq!(file.read().unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn what_an_ended_process_left_is_removed_and_what_is_held_stays() {
    let root = tempfile::tempdir().unwrap();
    let held = SpillFolder::open(root.path()).unwrap();
    fs::create_dir(root.path().join("node-without-a-lock")).unwrap();
    let ended = root.path().join("node-ended");
    drop(make_own(root.path(), &ended).unwrap());
    fs::write(ended.join("0"), b"left").unwrap();
    fs::create_dir(root.path().join("of somebody else")).unwrap();
    sweep(root.path()).unwrap();
    assert_eq!((names(root.path()), held.own.exists()), (2, true));
    drop(held);
    drop(SpillFolder::open(root.path()).unwrap());
    assert_eq!(names(root.path()), 2, "its own, and that of somebody else");
}

#[test]
fn a_folder_that_is_gone_is_a_failure_until_it_is_back() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("spill");
    let folder = SpillFolder::open(&place).unwrap();
    fs::rename(&place, root.path().join("elsewhere")).unwrap();
    assert!(folder.write(b"x", Hash::default()).is_err() && folder.has_failed());
    let reason = folder.state.borrow().clone().unwrap_err();
    assert!(reason.contains("spill: No such file"), "{reason}");
    folder.maintain(false);
    assert!(folder.has_failed());
    fs::create_dir(&place).unwrap();
    folder.maintain(false);
    assert!(!folder.has_failed() && folder.write(b"x", Hash::default()).is_ok());
    sweep(&place).unwrap();
    assert!(folder.own.exists(), "the new folder is held");
}
