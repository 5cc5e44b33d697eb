//! What ends up on a card.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

use crate::rig::{
    DIRT, Loop, assert_failed, assert_written, boots, card, compressed, dirty, holds, image,
    is_untouched, messages, write, write_command,
};

/// How much of the card is still as it was before.
fn dirt(card: &Path) -> usize {
    let bytes = fs::read(card).unwrap();
    bytes
        .chunks(4096)
        .filter(|block| block.iter().all(|byte| *byte == DIRT))
        .count()
        * 4096
}

#[test]
fn a_used_card_holds_the_image_and_nothing_that_matters_of_before() {
    let dir = TempDir::new().unwrap();
    let Some(plain) = image(dir.path(), "new.img", 60, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let Some(device) = card(&file, 80) else {
        return;
    };
    let mut left = Vec::new();
    for image in [&plain, &compressed(&plain)] {
        dirty(&file, 80);
        assert_written(&write(image, &device.0));
        assert!(boots(&file) && holds(&file, 7), "{}", image.display());
        left.push(dirt(&file));
    }
    // a third of the image is content; most of the rest was spared, whichever way the bitmaps became known
    assert!(left[0] > 40 << 20 && left[1] > 40 << 20, "{left:?}");
}

#[test]
fn both_ends_of_a_card_are_erased() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 30, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let Some(device) = card(&file, 64) else {
        return;
    };
    assert_written(&write(&image, &device.0));
    let bytes = fs::read(&file).unwrap();
    assert!(bytes[63 << 20..].iter().all(|byte| *byte == 0));
    assert!(bytes[62 << 20..63 << 20].iter().all(|byte| *byte == DIRT));
}

#[test]
fn an_image_without_a_root_file_system_is_written_whole() {
    let dir = TempDir::new().unwrap();
    // a GPT, and a size that no block size divides
    let mut content: Vec<u8> = (0..(9_u32 << 20) + 513)
        .map(|n| (n / 7).to_le_bytes()[0])
        .collect();
    content[446..512].fill(0);
    content[446 + 4] = 0xee;
    content[446 + 12] = 1;
    content[510..512].copy_from_slice(&[0x55, 0xaa]);
    let plain = dir.path().join("gpt.img");
    fs::write(&plain, &content).unwrap();
    let file = dir.path().join("card");
    let Some(device) = card(&file, 12) else {
        return;
    };
    for image in [&plain, &compressed(&plain)] {
        dirty(&file, 12);
        assert_written(&write(image, &device.0));
        assert!(
            fs::read(&file).unwrap()[..content.len()] == content,
            "{}",
            image.display()
        );
    }
    let new = dir.path().join("card.img");
    assert_written(&write(&plain, &new));
    assert!(fs::read(&new).unwrap() == content);
}

#[test]
fn a_folder_as_nix_makes_it_is_an_image() {
    let dir = TempDir::new().unwrap();
    let result = dir.path().join("result");
    fs::create_dir_all(result.join("sd-image")).unwrap();
    fs::create_dir(result.join("nix-support")).unwrap();
    let Some(plain) = image(dir.path(), "new.img", 30, 3) else {
        return;
    };
    fs::rename(compressed(&plain), result.join("sd-image/new.img.zst")).unwrap();
    let card = dir.path().join("card.img");
    assert_written(&write(&result, &card));
    assert!(boots(&card) && holds(&card, 3));
}

#[test]
fn a_damaged_compressed_image_leaves_nothing_that_boots() {
    let dir = TempDir::new().unwrap();
    let Some(plain) = image(dir.path(), "new.img", 60, 3) else {
        return;
    };
    let packed = compressed(&plain);
    let whole = fs::read(&packed).unwrap();
    let card = dir.path().join("card.img");
    // cut short, and with a bit flipped in the checksum at its end
    let cut = whole[..whole.len() * 9 / 10].to_vec();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [cut, flipped] {
        fs::write(&packed, damaged).unwrap();
        let output = write(&packed, &card);
        assert_failed(&output, "could not be read to its end");
        assert!(!card.exists() || card.metadata().unwrap().len() == 0 || !boots(&card));
    }
}

#[test]
fn a_card_file_is_private_and_never_lies_in_a_work_tree() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 30, 3) else {
        return;
    };
    let card = dir.path().join("card.img");
    assert_written(&write(&image, &card));
    assert_eq!(card.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(boots(&card) && holds(&card, 3));

    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join(".git")).unwrap();
    assert_failed(&write(&image, &tree.join("card.img")), "git work tree");
    assert!(!tree.join("card.img").exists());
    let link = dir.path().join("link.img");
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).unwrap();
    assert_failed(&write(&image, &link), "could not be opened");
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn a_second_writing_replaces_the_first() {
    let dir = TempDir::new().unwrap();
    let (Some(old), Some(new)) = (
        image(dir.path(), "old.img", 40, 1),
        image(dir.path(), "new.img", 30, 2),
    ) else {
        return;
    };
    let file = dir.path().join("card");
    dirty(&file, 64);
    let Some(device) = Loop::new(&file) else {
        return;
    };
    for (image, fill) in [(&old, 1), (&new, 2), (&new, 2)] {
        assert_written(&write(image, &device.0));
        assert!(holds(&file, fill));
    }
    let mut start = vec![0; 1 << 20];
    File::open(&new).unwrap().read_exact(&mut start).unwrap();
    let mut back = vec![0; 1 << 20];
    File::open(&file)
        .unwrap()
        .read_exact_at(&mut back, 0)
        .unwrap();
    assert!(start == back);
}

#[test]
fn a_plan_tells_and_does_nothing() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 30, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let Some(device) = card(&file, 40) else {
        return;
    };
    let output = write_command(&image, &device.0).arg("--plan").output();
    let told = messages(&output.unwrap());
    for words in [device.name(), "31.4 MB, of which about", "boot block"] {
        assert!(told.contains(words), "{told}");
    }
    assert!(is_untouched(&file));
}
