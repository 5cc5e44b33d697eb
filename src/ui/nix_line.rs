//! How far nix is, in few words.

use super::bars::Count;
use crate::nix::Progress;

/// How far it is, if that is known.
pub fn count(progress: &Progress) -> Option<Count> {
    let done = progress.built + progress.copied;
    let total = progress.to_build + progress.to_copy;
    if progress.built == progress.to_build && progress.bytes_to_copy > 0 {
        Some(Count::Bytes {
            done: progress.bytes,
            total: progress.bytes_to_copy,
        })
    } else if total > 0 {
        Some(Count::Items { done, total })
    } else {
        let download = progress.download.as_ref()?;
        Some(match download.of {
            0 => Count::Unknown,
            total => Count::Bytes {
                done: download.bytes,
                total,
            },
        })
    }
}

/// `building 3 of 7, copying 12 of 40: linux-6.12.30`
pub fn label(progress: &Progress) -> String {
    let part = |word, done: u64, total: u64| {
        (done < total).then(|| format!("{word} {} of {total}", done + 1))
    };
    let parts: Vec<String> = [
        part("building", progress.built, progress.to_build),
        part("copying", progress.copied, progress.to_copy),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let (Some(download), true) = (&progress.download, parts.is_empty()) {
        return format!("downloading {}", download.from);
    }
    let mut label = parts.join(", ");
    if !progress.name.is_empty() {
        label.push_str(": ");
        label.push_str(&progress.name);
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nix_does_is_told_in_few_words() {
        let mut progress = Progress {
            to_build: 7,
            built: 2,
            to_copy: 40,
            copied: 11,
            bytes: 5,
            bytes_to_copy: 9,
            name: "linux-6.12.30".into(),
            download: None,
        };
        assert_eq!(
            label(&progress),
            "building 3 of 7, copying 12 of 40: linux-6.12.30"
        );
        let items = Count::Items {
            done: 13,
            total: 47,
        };
        assert_eq!(count(&progress), Some(items));
        progress.built = 7;
        assert_eq!(label(&progress), "copying 12 of 40: linux-6.12.30");
        assert_eq!(count(&progress), Some(Count::Bytes { done: 5, total: 9 }));
        assert_eq!(count(&Progress::default()), None);
    }
}
