//! The master boot record: where a card's partitions lie. Four entries of 16 bytes from byte 446, little-endian,
//! sectors of 512 bytes, and the signature 55 AA at its end.

use std::ops::Range;

const SECTOR: u64 = 512;
/// The partition type of Linux file systems.
pub const LINUX: u8 = 0x83;

/// One used entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub kind: u8,
    /// Where it lies, in bytes from the start of the card.
    pub bytes: Range<u64>,
}

/// A GPT's protective entry: it stands for the whole disk, not for a partition.
const PROTECTIVE: u8 = 0xee;

/// The partitions of a boot record; `None` when there is none. Of a GPT nothing is told.
pub fn parse(record: &[u8]) -> Option<Vec<Partition>> {
    if record.get(510..512)? != [0x55, 0xaa] {
        return None;
    }
    let number =
        |bytes: &[u8]| u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let mut partitions = Vec::new();
    for entry in record.get(446..510)?.chunks_exact(16) {
        let (kind, start, count) = (entry[4], number(&entry[8..12]), number(&entry[12..16]));
        if kind != 0 && kind != PROTECTIVE && count != 0 {
            partitions.push(Partition {
                kind,
                bytes: start * SECTOR..(start + count) * SECTOR,
            });
        }
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_in_bytes() {
        let mut record = vec![0; 512];
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        record[446 + 16 + 4] = LINUX;
        record[446 + 16 + 8..446 + 16 + 16].copy_from_slice(&[0x00, 0x30, 0x01, 0, 2, 0, 0, 0]);
        let expected = Partition {
            kind: LINUX,
            bytes: 39_845_888..39_846_912,
        };
        assert_eq!(parse(&record), Some(vec![expected]));
        record[446 + 16 + 4] = PROTECTIVE;
        assert_eq!(parse(&record), Some(vec![]));
    }

    #[test]
    fn zeros_are_no_boot_record() {
        assert_eq!(parse(&[0; 512]), None);
        assert_eq!(parse(&[]), None);
    }
}
