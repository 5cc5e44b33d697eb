//! A person at a terminal: waits for a text, types an answer. The terminal is made by script(1).

#![allow(dead_code, reason = "every test program uses its own part")]

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<String>>,
    reader: thread::JoinHandle<()>,
    /// Up to where the screen was looked at.
    seen: usize,
}

impl Terminal {
    /// Starts the command with its environment and folder, on a terminal of its own.
    pub fn start(command: &Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line: Vec<String> = words
            .map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', r"'\''")))
            .collect();
        let mut script = Command::new("script");
        script.args([
            "-q",
            "-e",
            "-f",
            "-c",
            &format!("exec {}", line.join(" ")),
            "/dev/null",
        ]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            script.current_dir(dir);
        }
        let mut child = script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        let mut output = child.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                shown.lock().unwrap().push_str(&text);
            }
        });
        Self {
            keyboard: child.stdin.take().unwrap(),
            child,
            screen,
            reader,
            seen: 0,
        }
    }

    /// Waits until the text is shown, after what was waited for before.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let over = self.child.try_wait().unwrap().is_some();
            let screen = self.screen.lock().unwrap().clone();
            if let Some(at) = screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return self;
            }
            assert!(
                !over && Instant::now() < end,
                "{text:?} did not come: {screen}"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn answer(&mut self, text: &str) -> &mut Self {
        self.press(&format!("{text}\n"))
    }

    /// Without a new line: `\u{3}` is ^C.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Ends the program, and all it started, at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end of the program: its exit code and all it showed.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        drop(self.keyboard);
        self.reader.join().unwrap();
        let screen = self.screen.lock().unwrap().clone();
        (status.code(), screen)
    }
}
