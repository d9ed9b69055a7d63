//! Which rows of a table may fit, as bits: the index that keeps a pass over a text one look-up a byte, however long the
//! table grows.
//!
//! Promises: built at compile time, iterated in the table's order. Deliberately not here: what a row is.

/// A set of rows; `W` words of 64.
#[derive(Clone, Copy)]
pub(super) struct Rows<const W: usize>([u64; W]);

impl<const W: usize> Rows<W> {
    pub(super) const NONE: Rows<W> = Rows([0; W]);

    pub(super) const fn add(&mut self, row: usize) {
        self.0[row / 64] |= 1 << (row % 64);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0 == [0; W]
    }

    pub(super) fn and(self, other: &Rows<W>) -> Rows<W> {
        let mut both = self;
        for (mine, theirs) in both.0.iter_mut().zip(other.0) {
            *mine &= theirs;
        }
        both
    }
}

impl<const W: usize> Iterator for Rows<W> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let word = self.0.iter().position(|bits| *bits != 0)?;
        let bit = self.0[word].trailing_zeros() as usize;
        self.0[word] &= self.0[word] - 1;
        Some(word * 64 + bit)
    }
}
