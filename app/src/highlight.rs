//! Colours for code: comments, strings, numbers and the words that most languages share.
//! Not a parser: it never fails, and what it does not know stays plain.

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Comment,
    String,
    Number,
    Keyword,
    Name,
}

impl Kind {
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Comment => "hl-comment",
            Self::String => "hl-string",
            Self::Number => "hl-number",
            Self::Keyword => "hl-keyword",
            Self::Name => "hl-name",
        }
    }
}

/// Longer code stays plain: colours are not worth a slow page.
pub const MAX_BYTES: usize = 64 * 1024;

const KEYWORDS: &[&str] = &[
    "abstract",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "begin",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "crate",
    "def",
    "default",
    "defer",
    "del",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "enum",
    "esac",
    "except",
    "export",
    "extends",
    "false",
    "fi",
    "final",
    "finally",
    "fn",
    "for",
    "from",
    "func",
    "function",
    "go",
    "if",
    "impl",
    "implements",
    "import",
    "in",
    "instanceof",
    "int",
    "interface",
    "is",
    "lambda",
    "let",
    "local",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "namespace",
    "new",
    "nil",
    "None",
    "not",
    "null",
    "or",
    "package",
    "pass",
    "private",
    "protected",
    "pub",
    "public",
    "raise",
    "ref",
    "return",
    "self",
    "Self",
    "static",
    "struct",
    "super",
    "switch",
    "template",
    "then",
    "this",
    "throw",
    "trait",
    "true",
    "True",
    "False",
    "try",
    "type",
    "typedef",
    "typeof",
    "undefined",
    "union",
    "unless",
    "until",
    "unsafe",
    "use",
    "using",
    "var",
    "virtual",
    "void",
    "when",
    "where",
    "while",
    "with",
    "yield",
];
const SQL: &[&str] = &[
    "alter", "and", "as", "asc", "by", "create", "delete", "desc", "distinct", "drop", "from", "group",
    "having", "in", "index", "inner", "insert", "into", "is", "join", "key", "left", "limit", "not", "null",
    "on", "or", "order", "outer", "primary", "right", "select", "set", "table", "union", "update", "values",
    "where", "with",
];

/// The pieces in order; together they are the text.
pub fn pieces<'a>(language: &str, text: &'a str) -> Vec<(Kind, &'a str)> {
    let language = language.to_ascii_lowercase();
    if text.len() > MAX_BYTES
        || matches!(
            language.as_str(),
            "" | "text" | "txt" | "plain" | "md" | "markdown"
        )
    {
        return vec![(Kind::Plain, text)];
    }
    let sql = language == "sql";
    let hash_comments = matches!(
        language.as_str(),
        "py" | "python"
            | "sh"
            | "bash"
            | "zsh"
            | "shell"
            | "rb"
            | "ruby"
            | "toml"
            | "yaml"
            | "yml"
            | "r"
            | "perl"
            | "make"
            | "makefile"
            | "dockerfile"
            | "ini"
            | "elixir"
    );
    let slash_comments =
        !hash_comments && !sql && !matches!(language.as_str(), "html" | "xml" | "lua" | "haskell" | "hs");
    let dash_comments = sql || matches!(language.as_str(), "lua" | "haskell" | "hs");
    let markup = matches!(language.as_str(), "html" | "xml" | "svg");

    let mut out: Vec<(Kind, &str)> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = if (hash_comments && rest.starts_with('#'))
            || (slash_comments && rest.starts_with("//"))
            || (dash_comments && rest.starts_with("--"))
        {
            (Kind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if slash_comments && rest.starts_with("/*") {
            (Kind::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if markup && rest.starts_with("<!--") {
            (Kind::Comment, rest.find("-->").map_or(rest.len(), |end| end + 3))
        } else {
            token(rest, sql)
        };
        push(&mut out, kind, text, at, length);
        at += length;
    }
    out
}

/// One token that is no comment: its kind and its length in bytes, at least one character.
fn token(rest: &str, sql: bool) -> (Kind, usize) {
    let Some(first) = rest.chars().next() else {
        return (Kind::Plain, rest.len());
    };
    match first {
        '"' | '\'' | '`' => match string(rest, first) {
            Some(length) => (Kind::String, length),
            None => (Kind::Plain, 1),
        },
        '0'..='9' => {
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
                .unwrap_or(rest.len());
            (Kind::Number, length)
        }
        c if c.is_alphabetic() || c == '_' => {
            let length = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or_default();
            let keyword = if sql {
                SQL.contains(&word.to_ascii_lowercase().as_str())
            } else {
                KEYWORDS.contains(&word)
            };
            if keyword {
                (Kind::Keyword, length)
            } else if rest.get(length..).is_some_and(|after| after.starts_with('(')) {
                (Kind::Name, length)
            } else {
                (Kind::Plain, length)
            }
        }
        c => (Kind::Plain, c.len_utf8()),
    }
}

/// The length of a string that ends on its line; a lone apostrophe is none.
fn string(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' if quote != '`' => return None,
            c if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// Adds a piece, joined to the one before where both are of one kind.
fn push<'a>(out: &mut Vec<(Kind, &'a str)>, kind: Kind, text: &'a str, at: usize, length: usize) {
    if let Some((last, piece)) = out.last_mut()
        && *last == kind
        && let Some(joined) = text.get(at - piece.len()..at + length)
    {
        *piece = joined;
        return;
    }
    if let Some(piece) = text.get(at..at + length) {
        out.push((kind, piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_their_kinds() {
        let check = |language, text, expect: &[(Kind, &str)]| assert_eq!(pieces(language, text), expect);
        check(
            "rust",
            "let x = f(\"a\\\"b\"); // done",
            &[
                (Kind::Keyword, "let"),
                (Kind::Plain, " x = "),
                (Kind::Name, "f"),
                (Kind::Plain, "("),
                (Kind::String, "\"a\\\"b\""),
                (Kind::Plain, "); "),
                (Kind::Comment, "// done"),
            ],
        );
        check(
            "python",
            "# 1\n2",
            &[(Kind::Comment, "# 1"), (Kind::Plain, "\n"), (Kind::Number, "2")],
        );
        check("rust", "&'a str", &[(Kind::Plain, "&'a str")]);
        check(
            "sql",
            "SELECT a -- b",
            &[
                (Kind::Keyword, "SELECT"),
                (Kind::Plain, " a "),
                (Kind::Comment, "-- b"),
            ],
        );
        check("", "let x", &[(Kind::Plain, "let x")]);
        check("c", "/* open", &[(Kind::Comment, "/* open")]);
        check("js", "", &[]);
    }

    #[test]
    fn nothing_is_lost_or_added_whatever_the_text() {
        for text in [
            "\"unclosed\nnext'",
            "é→\u{1F600}\"ü\"'",
            "`a\nb`c`",
            "0x1F_u8..=9",
            "\\\\\"\\",
        ] {
            for language in ["rust", "py", "html", "sql", "js"] {
                let joined: String = pieces(language, text)
                    .into_iter()
                    .map(|(_, piece)| piece)
                    .collect();
                assert_eq!(joined, text);
            }
        }
    }

    #[test]
    fn code_over_the_limit_stays_plain() {
        assert_eq!(pieces("rust", &"let ".repeat(MAX_BYTES)).len(), 1);
    }
}
