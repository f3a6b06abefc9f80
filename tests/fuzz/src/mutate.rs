//! Makes inputs from others: flips bits, sets bytes, repeats, cuts and splices parts, inserts words.

/// Words with a special meaning to some reader.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"null",
    b"true",
    b"-",
    b"1e9999",
    b"0.1",
    b"\"ts\":",
    b"\"values\":",
    b"\"value\":",
    b"\"time\":",
    b"\"tags\":",
    b"\"error\":",
    b"\"metrics\":",
    b"9223372036854775808",
    b"/",
    b"+",
    b"#",
    b"=",
    b" ",
    b"\n",
    b"\0",
    b"\xff\xff\xff\xff\x0f",
    b"\x80",
    b"\xed\xa0\x80",
    b"-9223372036854775808",
    b"nan",
    b"-inf",
    b"24:00:00",
    b"\xef\xbb\xbf",
    b"\"ticket\":",
    "万".as_bytes(),
];

/// Maximum length of an input; longer inputs find nothing more.
const LENGTH_MAX: usize = 4_096;

/// Makes inputs; the same seed makes the same ones.
#[derive(Debug)]
pub struct Mutator {
    state: u64,
    out: Vec<u8>,
}

impl Mutator {
    /// A mutator with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed ^ 0x9e37_79b9_7f4a_7c15,
            out: Vec::new(),
        }
    }

    /// Makes an input from `corpus`.
    pub fn make(&mut self, corpus: &[Vec<u8>]) -> &[u8] {
        let from = self.below(corpus.len());
        self.out.clear();
        self.out.extend_from_slice(&corpus[from]);
        for _ in 0..=self.below(6) {
            self.mutate(corpus);
        }
        self.out.truncate(LENGTH_MAX);
        &self.out
    }

    fn mutate(&mut self, corpus: &[Vec<u8>]) {
        let at = self.below(self.out.len() + 1);
        let length = self.below(16);
        match self.below(7) {
            0 => {
                let bit = self.below(8);
                if let Some(byte) = self.out.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            1 => {
                let [value, ..] = self.next().to_le_bytes();
                if let Some(byte) = self.out.get_mut(at) {
                    *byte = value;
                }
            }
            2 => {
                let word = WORDS[self.below(WORDS.len())];
                self.out.splice(at..at, word.iter().copied());
            }
            3 => self.out.truncate(at),
            4 => drop(self.out.drain(at..self.out.len().min(at + length))),
            5 => {
                let part = self.out[at..self.out.len().min(at + length)].to_vec();
                self.out.splice(at..at, part);
            }
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                self.out.truncate(at);
                self.out.extend_from_slice(&other[from..]);
            }
        }
    }

    /// Xorshift: good enough to spread inputs, and the same on every machine.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, bound: usize) -> usize {
        // OK because a remainder is below its bound, which is a usize.
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }
}
