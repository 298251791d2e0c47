//! Where the events come from: a file or stdin, packed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is unpacked at once, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A frame that decoders skip; parallel compressors begin with one. Its first byte varies.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// An opened source.
pub struct Source {
    name: String,
    reader: BufReader<Box<dyn Read + Send>>,
    /// How many bytes there are, where that is known.
    bytes: Option<u64>,
    read_bytes: Arc<AtomicU64>,
    /// Whether lines may come slowly, so that what is there should not wait for more.
    is_stream: bool,
}

impl Source {
    /// Opens `path`; `-` is stdin.
    ///
    /// # Errors
    ///
    /// When it can't be opened, or its beginning can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::new("stdin".to_owned(), io::stdin(), None, true);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        // A named pipe has no length, and its writer may be slow.
        let bytes = metadata.is_file().then_some(metadata.len());
        Self::new(path.display().to_string(), file, bytes, bytes.is_none())
    }

    /// A source over any reader.
    ///
    /// # Errors
    ///
    /// When its beginning can't be read.
    pub fn new(
        name: String,
        reader: impl Read + Send + 'static,
        bytes: Option<u64>,
        is_stream: bool,
    ) -> io::Result<Self> {
        let read_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { reader, read_bytes: Arc::clone(&read_bytes) };
        let unpacked = unpacked(BufReader::with_capacity(BUFFER_BYTES, counted))?;
        let reader = BufReader::with_capacity(BUFFER_BYTES, unpacked);
        Ok(Self { name, reader, bytes, read_bytes, is_stream })
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes there are to read, packed as they are; unknown of a stream.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// How many of them were read.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Whether asking for the next line may take long.
    pub(super) fn would_wait(&self) -> bool {
        self.is_stream && !self.reader.buffer().contains(&b'\n')
    }

    pub(crate) fn reader(&mut self) -> &mut dyn BufRead {
        &mut self.reader
    }
}

/// Unpacks what is packed, going by the content and not by the name. Files that were packed in
/// several parts and joined are read to the end.
fn unpacked(mut reader: impl BufRead + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let beginning = reader.fill_buf()?;
    let is_zstd = beginning.starts_with(&ZSTD)
        || beginning.first().is_some_and(|byte| byte >> 4 == 5)
            && beginning.get(1..).is_some_and(|rest| rest.starts_with(&ZSTD_SKIPPABLE));
    if beginning.starts_with(&GZIP) {
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(reader)))
    } else if is_zstd {
        Ok(Box::new(zstd::stream::read::Decoder::with_buffer(reader)?))
    } else {
        Ok(Box::new(reader))
    }
}

struct Counted<R> {
    reader: R,
    read_bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }

    fn content(bytes: Vec<u8>) -> io::Result<String> {
        let mut source = Source::new("test".to_owned(), io::Cursor::new(bytes), None, false)?;
        let mut text = String::new();
        source.reader().read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn content_decides_how_it_is_unpacked_and_joined_parts_are_read_to_the_end() {
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd("a\n")].concat();
        let cases = [
            (b"a\nb\n".to_vec(), "a\nb\n"),
            (Vec::new(), ""),
            (b"P".to_vec(), "P"),
            (gzip("a\n"), "a\n"),
            ([gzip("a\n"), gzip("b\n")].concat(), "a\nb\n"),
            (zstd("a\n"), "a\n"),
            ([zstd("a\n"), zstd("b\n")].concat(), "a\nb\n"),
            (skippable, "a\n"),
        ];
        for (bytes, text) in cases {
            assert_eq!(content(bytes).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error_and_not_an_end() {
        let text = "0123456789\n".repeat(1_000);
        for packed in [gzip(&text), zstd(&text)] {
            assert!(content(packed[..packed.len() - 5].to_vec()).is_err());
        }
    }
}
