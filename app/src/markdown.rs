//! Markdown as a tree of plain values, parsed from what a model wrote.
//! Makes no DOM and keeps no raw HTML: what a model writes as HTML stays visible text.

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Nesting that is shown; deeper structure is flattened, so that no text can exhaust the stack.
pub const MAX_DEPTH: usize = 24;

#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    Paragraph(Vec<Inline>),
    Heading(u8, Vec<Inline>),
    Code {
        language: String,
        text: String,
    },
    Quote(Vec<Block>),
    List {
        start: Option<u64>,
        items: Vec<Item>,
    },
    Table {
        columns: Vec<Column>,
        head: Vec<Vec<Inline>>,
        rows: Vec<Vec<Vec<Inline>>>,
    },
    Rule,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// A task list's box: ticked or not.
    pub task: Option<bool>,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Start,
    Center,
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Inline {
    Text(String),
    Code(String),
    Emphasis(Vec<Inline>),
    Strong(Vec<Inline>),
    Struck(Vec<Inline>),
    /// An address that [`safe_address`] let pass.
    Link(String, Vec<Inline>),
    SoftBreak,
    HardBreak,
}

/// A top-level block and the text it was read from: equal text is an equal block, which is how a screen knows
/// what it need not draw again while an answer grows.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub source: String,
    pub block: Block,
}

/// Reads a whole text.
pub fn parse(text: &str) -> Vec<Section> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder::default();
    let mut sections = Vec::new();
    let mut open = 0_usize;
    let mut begun = 0;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        if open == 0 {
            begun = range.start;
        }
        match &event {
            Event::Start(_) => open += 1,
            Event::End(_) => open = open.saturating_sub(1),
            _ => {}
        }
        builder.take(event);
        if open == 0 {
            let source = text.get(begun..range.end).unwrap_or_default();
            sections.extend(builder.finish().into_iter().map(|block| Section {
                source: source.to_owned(),
                block,
            }));
        }
    }
    sections
}

/// The address if following it can neither run nor fetch anything by itself.
pub fn safe_address(address: &str) -> Option<&str> {
    let trimmed = address.trim();
    // Control characters and blanks inside a scheme are ignored by browsers: `java\nscript:`.
    if trimmed.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let scheme = trimmed
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase())?;
    matches!(scheme.as_str(), "https" | "http" | "mailto").then_some(trimmed)
}

/// What is open at one level.
enum Frame {
    Blocks(Holder, Vec<Block>),
    Inlines(Holder, Vec<Inline>),
}

enum Holder {
    Paragraph,
    Heading(u8),
    Code(String),
    Quote,
    List(Option<u64>, Vec<Item>),
    Item(Option<bool>),
    Table {
        columns: Vec<Column>,
        head: Vec<Vec<Inline>>,
        rows: Vec<Vec<Vec<Inline>>>,
    },
    Head(Vec<Vec<Inline>>),
    Row(Vec<Vec<Inline>>),
    Cell,
    Emphasis,
    Strong,
    Struck,
    Link(Option<String>),
    /// HTML blocks and what we do not draw: their text is kept.
    Plain,
}

#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    done: Vec<Block>,
    /// Opened beyond [`MAX_DEPTH`] and not closed yet.
    beyond: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => {
                if self.beyond > 0 || self.frames.len() >= MAX_DEPTH {
                    self.beyond += 1;
                } else {
                    self.open(tag);
                }
            }
            Event::End(end) => {
                if self.beyond > 0 {
                    self.beyond -= 1;
                } else {
                    self.close(end);
                }
            }
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => self.inline(Inline::Code(text.into_string())),
            Event::SoftBreak => self.inline(Inline::SoftBreak),
            Event::HardBreak => self.inline(Inline::HardBreak),
            Event::Rule => self.block(Block::Rule),
            Event::TaskListMarker(ticked) => {
                if let Some(Frame::Blocks(Holder::Item(task), _)) = self
                    .frames
                    .iter_mut()
                    .rev()
                    .find(|frame| matches!(frame, Frame::Blocks(Holder::Item(_), _)))
                {
                    *task = Some(ticked);
                }
            }
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text(&text)
            }
        }
    }

    fn open(&mut self, tag: Tag<'_>) {
        let frame = match tag {
            Tag::Paragraph => Frame::Inlines(Holder::Paragraph, Vec::new()),
            Tag::Heading { level, .. } => Frame::Inlines(Holder::Heading(level_of(level)), Vec::new()),
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => {
                        info.split([' ', ',']).next().unwrap_or_default().to_owned()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                Frame::Inlines(Holder::Code(language), Vec::new())
            }
            Tag::BlockQuote(_) => Frame::Blocks(Holder::Quote, Vec::new()),
            Tag::List(start) => Frame::Blocks(Holder::List(start, Vec::new()), Vec::new()),
            Tag::Item => Frame::Blocks(Holder::Item(None), Vec::new()),
            Tag::Table(columns) => {
                let columns = columns.into_iter().map(column_of).collect();
                Frame::Blocks(
                    Holder::Table {
                        columns,
                        head: Vec::new(),
                        rows: Vec::new(),
                    },
                    Vec::new(),
                )
            }
            Tag::TableHead => Frame::Blocks(Holder::Head(Vec::new()), Vec::new()),
            Tag::TableRow => Frame::Blocks(Holder::Row(Vec::new()), Vec::new()),
            Tag::TableCell => Frame::Inlines(Holder::Cell, Vec::new()),
            Tag::Emphasis => Frame::Inlines(Holder::Emphasis, Vec::new()),
            Tag::Strong => Frame::Inlines(Holder::Strong, Vec::new()),
            Tag::Strikethrough => Frame::Inlines(Holder::Struck, Vec::new()),
            // A picture would be fetched from wherever the text says: it becomes a link to follow or not.
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => Frame::Inlines(
                Holder::Link(safe_address(&dest_url).map(str::to_owned)),
                Vec::new(),
            ),
            _ => Frame::Inlines(Holder::Plain, Vec::new()),
        };
        self.frames.push(frame);
    }

    fn close(&mut self, _: TagEnd) {
        let Some(frame) = self.frames.pop() else { return };
        match frame {
            Frame::Inlines(holder, inlines) => match holder {
                Holder::Heading(level) => self.block(Block::Heading(level, inlines)),
                Holder::Code(language) => self.block(Block::Code {
                    language,
                    text: plain(&inlines),
                }),
                Holder::Cell => {
                    if let Some(Frame::Blocks(Holder::Head(cells) | Holder::Row(cells), _)) =
                        self.frames.last_mut()
                    {
                        cells.push(inlines);
                    }
                }
                Holder::Emphasis => self.inline(Inline::Emphasis(inlines)),
                Holder::Strong => self.inline(Inline::Strong(inlines)),
                Holder::Struck => self.inline(Inline::Struck(inlines)),
                Holder::Link(Some(address)) => self.inline(Inline::Link(address, inlines)),
                Holder::Link(None) => inlines.into_iter().for_each(|inline| self.inline(inline)),
                _ if inlines.is_empty() => {}
                _ => self.block(Block::Paragraph(inlines)),
            },
            Frame::Blocks(holder, blocks) => match holder {
                Holder::Quote => self.block(Block::Quote(blocks)),
                Holder::List(start, items) => self.block(Block::List { start, items }),
                Holder::Item(task) => {
                    if let Some(Frame::Blocks(Holder::List(_, items), _)) = self.frames.last_mut() {
                        items.push(Item { task, blocks });
                    }
                }
                Holder::Table { columns, head, rows } => self.block(Block::Table { columns, head, rows }),
                Holder::Head(cells) => {
                    if let Some(Frame::Blocks(Holder::Table { head, .. }, _)) = self.frames.last_mut() {
                        *head = cells;
                    }
                }
                Holder::Row(cells) => {
                    if let Some(Frame::Blocks(Holder::Table { rows, .. }, _)) = self.frames.last_mut() {
                        rows.push(cells);
                    }
                }
                _ => blocks.into_iter().for_each(|block| self.block(block)),
            },
        }
    }

    fn block(&mut self, block: Block) {
        match self.frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::Blocks(_, blocks) => Some(blocks),
            Frame::Inlines(..) => None,
        }) {
            Some(blocks) => blocks.push(block),
            None => self.done.push(block),
        }
    }

    fn inline(&mut self, inline: Inline) {
        match self.frames.last_mut() {
            Some(Frame::Inlines(_, inlines)) => inlines.push(inline),
            // A tight list's item holds its text without a paragraph.
            Some(Frame::Blocks(_, blocks)) => match blocks.last_mut() {
                Some(Block::Paragraph(inlines)) => inlines.push(inline),
                _ => blocks.push(Block::Paragraph(vec![inline])),
            },
            None => self.done.push(Block::Paragraph(vec![inline])),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(Frame::Inlines(_, inlines)) = self.frames.last_mut()
            && let Some(Inline::Text(before)) = inlines.last_mut()
        {
            before.push_str(text);
            return;
        }
        self.inline(Inline::Text(text.to_owned()));
    }

    /// What was read since the last call.
    fn finish(&mut self) -> Vec<Block> {
        self.frames.clear();
        self.beyond = 0;
        std::mem::take(&mut self.done)
    }
}

/// The letters alone.
pub fn plain(inlines: &[Inline]) -> String {
    let mut out = String::new();
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Code(text) => out.push_str(text),
            Inline::Emphasis(inner)
            | Inline::Strong(inner)
            | Inline::Struck(inner)
            | Inline::Link(_, inner) => {
                out.push_str(&plain(inner));
            }
            Inline::SoftBreak | Inline::HardBreak => out.push('\n'),
        }
    }
    out
}

fn level_of(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

fn column_of(alignment: Alignment) -> Column {
    match alignment {
        Alignment::Center => Column::Center,
        Alignment::Right => Column::End,
        Alignment::None | Alignment::Left => Column::Start,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn blocks(text: &str) -> Vec<Block> {
        parse(text).into_iter().map(|section| section.block).collect()
    }

    fn text(value: &str) -> Inline {
        Inline::Text(value.to_owned())
    }

    #[test]
    fn the_usual_markup_becomes_a_tree() {
        let check = |source: &str, expect: Block| assert_eq!(blocks(source), [expect], "{source}");
        check("plain", Block::Paragraph(vec![text("plain")]));
        check("## Two", Block::Heading(2, vec![text("Two")]));
        check("---", Block::Rule);
        check(
            "a *b* **c** ~~d~~ `e`",
            Block::Paragraph(vec![
                text("a "),
                Inline::Emphasis(vec![text("b")]),
                text(" "),
                Inline::Strong(vec![text("c")]),
                text(" "),
                Inline::Struck(vec![text("d")]),
                text(" "),
                Inline::Code("e".into()),
            ]),
        );
        check(
            "```rust ignore\nfn x() {}\n```",
            Block::Code {
                language: "rust".into(),
                text: "fn x() {}\n".into(),
            },
        );
        check("> q", Block::Quote(vec![Block::Paragraph(vec![text("q")])]));
        check(
            "a\nb",
            Block::Paragraph(vec![text("a"), Inline::SoftBreak, text("b")]),
        );
    }

    #[test]
    fn lists_keep_numbers_nesting_and_ticks() {
        let Block::List { start, items } = blocks("3. one\n4. two\n   - [x] done\n").remove(0) else {
            panic!()
        };
        assert_eq!(start, Some(3));
        assert_eq!(items[0].blocks, [Block::Paragraph(vec![text("one")])]);
        let Block::List { start, items: inner } = &items[1].blocks[1] else {
            panic!()
        };
        assert_eq!((*start, inner[0].task), (None, Some(true)));
    }

    #[test]
    fn tables_keep_head_rows_and_sides() {
        let found = blocks("| a | b |\n|--:|:-:|\n| 1 | *2* |").remove(0);
        assert_eq!(
            found,
            Block::Table {
                columns: vec![Column::End, Column::Center],
                head: vec![vec![text("a")], vec![text("b")]],
                rows: vec![vec![vec![text("1")], vec![Inline::Emphasis(vec![text("2")])]]],
            }
        );
    }

    #[test]
    fn html_stays_text() {
        for source in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<div onclick=x>\nhey\n</div>",
        ] {
            let shown: String = blocks(source)
                .iter()
                .map(|block| match block {
                    Block::Paragraph(inlines) => plain(inlines),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(shown.trim_end(), source);
        }
    }

    #[test]
    fn only_harmless_addresses_become_links() {
        let check =
            |address: &str, safe: bool| assert_eq!(safe_address(address).is_some(), safe, "{address}");
        check("https://example.org/a?b#c", true);
        check("HTTP://example.org", true);
        check("mailto:a@example.org", true);
        check("javascript:alert(1)", false);
        check("JaVaScRiPt:alert(1)", false);
        check("java\nscript:alert(1)", false);
        check("\u{1}javascript:alert(1)", false);
        check(" data:text/html,x", false);
        check("vbscript:x", false);
        check("blob:https://x", false);
        check("file:///etc/passwd", false);
        check("/keys", false);
        check("//evil.example", false);
        check("", false);
    }

    #[test]
    fn a_refused_link_keeps_its_words_and_a_picture_becomes_a_link() {
        assert_eq!(
            blocks("[x](javascript:alert(1))"),
            [Block::Paragraph(vec![text("x")])]
        );
        assert_eq!(
            blocks("![cat](https://example.org/cat.png)"),
            [Block::Paragraph(vec![Inline::Link(
                "https://example.org/cat.png".into(),
                vec![text("cat")]
            )])]
        );
    }

    #[test]
    fn nesting_beyond_the_limit_is_flattened_not_followed() {
        fn depth(blocks: &[Block]) -> usize {
            blocks
                .iter()
                .map(|block| match block {
                    Block::Quote(inner) => 1 + depth(inner),
                    _ => 1,
                })
                .max()
                .unwrap_or(0)
        }
        let source = format!("{}deep", "> ".repeat(5000));
        assert!(depth(&blocks(&source)) <= MAX_DEPTH + 1);
        let stars = format!("{}x{}", "*a **b ".repeat(3000), "** c*".repeat(3000));
        assert!(!blocks(&stars).is_empty());
    }

    #[test]
    fn sections_that_are_complete_do_not_change_while_text_is_added() {
        let whole = "# Title\n\nfirst *one*\n\n- a\n- b\n\n```\ncode\n```\n\nlast";
        let done = parse(whole);
        for end in (0..whole.len()).filter(|&at| whole.is_char_boundary(at)) {
            let part = parse(&whole[..end]);
            let stable = part.len().saturating_sub(1);
            assert_eq!(part[..stable], done[..stable], "{end}");
        }
    }

    #[test]
    fn an_unclosed_fence_is_code_already() {
        assert_eq!(
            blocks("```py\nx = 1"),
            [Block::Code {
                language: "py".into(),
                text: "x = 1".into()
            }]
        );
    }
}
