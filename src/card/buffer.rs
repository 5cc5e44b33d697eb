//! Memory for direct access, used again and again.

use std::sync::Mutex;

use super::source::{ALIGN, CHUNK};

/// [`CHUNK`] bytes, aligned to [`ALIGN`].
pub struct Buffer {
    memory: Vec<u8>,
}

impl Buffer {
    fn new() -> Self {
        Self {
            memory: vec![0; size(CHUNK + ALIGN)],
        }
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        let skip = self
            .memory
            .as_ptr()
            .align_offset(size(ALIGN))
            .min(size(ALIGN));
        &mut self.memory[skip..skip + size(CHUNK)]
    }
}

/// Buffers nobody uses at the moment.
#[derive(Default)]
pub struct Pool {
    idle: Mutex<Vec<Buffer>>,
}

impl Pool {
    pub fn take(&self) -> Buffer {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        idle.unwrap_or_else(Buffer::new)
    }

    pub fn give_back(&self, buffer: Buffer) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(buffer);
        }
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}
