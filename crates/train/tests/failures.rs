//! What goes wrong outside: files that are cut off, other shapes, no room. The checkpoint before stays whole.
//! Does not need root: a writer that fails and a folder in the way do the same as a full disk.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{self, Write};

use support::{beginning, shape, source, trainer};
use train::{Checkpoint, Shape, Text, TrainError, Vocabulary};

/// Takes so many bytes and then says that the disk is full.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_checkpoint_comes_back_as_it_went_and_the_one_before_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let first = beginning(1);
    first.save(&path).unwrap();
    let mut trainer = trainer(first.clone(), 4);
    trainer.step(&source(1)).unwrap();
    trainer.state_mut().curve.push((1, 2.5));
    let second = trainer.checkpoint();
    second.save(&path).unwrap();
    assert!(Checkpoint::load(&path).unwrap() == second);
    assert!(Checkpoint::load(&folder.path().join("run.previous")).unwrap() == first);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_full_disk_is_told_wherever_it_comes() {
    let checkpoint = beginning(1);
    let mut whole = Vec::new();
    checkpoint.write(&mut whole).unwrap();
    for room in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        let error = checkpoint.write(Full(room)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}");
    }
    assert!(checkpoint.write(Full(whole.len())).is_ok());
}

#[test]
fn a_save_that_fails_leaves_the_checkpoint_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let first = beginning(1);
    first.save(&path).unwrap();
    // Where the next one would be written: the device that is always full, or, where there is none, a folder.
    let next = folder.path().join("run.tmp");
    let full = std::path::Path::new("/dev/full");
    if full.exists() {
        std::os::unix::fs::symlink(full, &next).unwrap();
    } else {
        fs::create_dir(&next).unwrap();
    }
    let error = beginning(2).save(&path).unwrap_err();
    assert!(matches!(error, TrainError::File { .. }), "{error}");
    assert!(error.to_string().contains("run.tmp"), "{error}");
    assert!(Checkpoint::load(&path).unwrap() == first);
}

#[test]
fn a_checkpoint_of_another_shape_is_refused_with_both() {
    let checkpoint = beginning(1);
    let path = std::path::Path::new("run");
    let same = shape(9999);
    assert!(
        checkpoint.check_shape(path, &same).is_ok(),
        "the vocabulary is what was learnt"
    );
    let other = Shape { n_layers: 3, ..same };
    let error = checkpoint.check_shape(path, &other).unwrap_err().to_string();
    assert!(
        error.contains("holds 2 layers") && error.contains("not 3 layers"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_whole_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut whole = Vec::new();
    beginning(1).write(&mut whole).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Checkpoint::load(&path).unwrap_err().to_string()
    };
    assert!(refused(b"").contains("no checkpoint"));
    assert!(refused(&[7; 64]).contains("no checkpoint"));
    assert!(refused(&whole[..40]).contains("run"));
    assert!(refused(&whole[..whole.len() - 4]).contains("cut off"));
    let mut longer = whole.clone();
    longer.extend([0; 4]);
    assert!(refused(&longer).contains("cut off"));
    let mut huge = whole.clone();
    huge[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(refused(&huge).contains("no checkpoint"));
    let missing = Checkpoint::load(&folder.path().join("nothing")).unwrap_err();
    assert!(missing.to_string().contains("nothing"));
}

#[test]
fn shapes_that_do_not_fit_themselves_are_refused() {
    let refused = |shape: Shape| shape.check().unwrap_err().to_string();
    assert!(
        refused(Shape {
            n_layers: 0,
            ..shape(300)
        })
        .contains("layers is 0")
    );
    assert!(
        refused(Shape {
            n_heads: 5,
            ..shape(300)
        })
        .contains("5 heads")
    );
    assert!(
        refused(Shape {
            n_kv_heads: 3,
            ..shape(300)
        })
        .contains("do not divide")
    );
    assert!(shape(300).check().is_ok());
}

#[test]
fn nothing_to_learn_from_is_refused() {
    let vocabulary = support::vocabulary();
    let tokenizer = train::tokenizer(&vocabulary).unwrap();
    for text in ["", "a"] {
        let refused = Text::new(text, &tokenizer, 64, 4, 1).err().unwrap();
        assert!(matches!(refused, TrainError::EmptyCorpus), "{text:?}: {refused}");
    }
    let refused = Vocabulary::learn(["", ""].into_iter(), 300).unwrap_err();
    assert!(matches!(refused, TrainError::EmptyCorpus));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let mut checkpoint = beginning(1);
    checkpoint.weights[0][0] = f32::NAN;
    let error = trainer(checkpoint, 4).step(&source(1)).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { step: 0, .. }), "{error}");
}
