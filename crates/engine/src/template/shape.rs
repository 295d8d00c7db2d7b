//! Whether a template's source is of a shape that can be compiled without harm.
//! Does not judge what it does when it runs: `rewrite` and `budget` do.
//!
//! Compiling folds constants and descends into expressions before any fuel is counted, so what could make that large
//! or deep is refused by its tokens alone.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// Tags of a template; the longest published ones have some 400.
pub(super) const MAX_TAGS: usize = 4_096;

/// Tokens of one tag: an expression nests as deep as it has operators, and compiling descends into it.
pub(super) const MAX_TAG_TOKENS: usize = 1_024;

/// Branches of all conditions, each of which nests in the one before it.
pub(super) const MAX_ELIFS: usize = 256;

/// Checks the tokens of a template. What cannot be read as tokens is left to the compiler, which says it better.
pub(super) fn check(source: &str, syntax: SyntaxConfig) -> Result<(), String> {
    let (mut tags, mut tokens, mut elifs) = (0, 0, 0);
    let mut before = Side::Other;
    let (mut factor, mut looks) = (None, false);
    for token in tokenize(source, false, syntax) {
        let Ok((token, _)) = token else { return Ok(()) };
        if let Some(left) = factor.take()
            && !may_multiply(left, side(&token))
        {
            return Err("a product needs a variable: of constants it could fill any memory".into());
        }
        tokens += 1;
        match &token {
            Token::TemplateData(_) | Token::VariableEnd | Token::BlockEnd => tokens = 0,
            Token::BlockStart | Token::VariableStart => tags += 1,
            Token::Ident("messages") => looks = true,
            Token::Ident("elif") => elifs += 1,
            Token::Ident(name @ ("include" | "import" | "from" | "extends" | "block"))
                if before == Side::Start =>
            {
                return Err(format!("{name}: there are no other templates"));
            }
            Token::Mul | Token::Pow if before == Side::Open => {
                return Err("lists of arguments cannot be spread".into());
            }
            Token::Mul => factor = Some(before),
            _ => {}
        }
        for (what, found, most) in [
            ("tags", tags, MAX_TAGS),
            ("tokens in one tag", tokens, MAX_TAG_TOKENS),
            ("elifs", elifs, MAX_ELIFS),
        ] {
            if found > most {
                return Err(format!("more than {most} {what}"));
            }
        }
        before = side(&token);
    }
    if looks {
        Ok(())
    } else {
        Err("it never looks at the messages".into())
    }
}

/// What a token next to an operator says of the operand that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Name,
    Number,
    /// After it an argument begins.
    Open,
    /// After it a statement begins.
    Start,
    Other,
}

fn side(token: &Token<'_>) -> Side {
    match token {
        // Constants by name are folded, too.
        Token::Ident("true" | "false" | "none" | "True" | "False" | "None") => Side::Other,
        Token::Ident(_) => Side::Name,
        Token::Int(_) | Token::Float(_) => Side::Number,
        Token::ParenOpen | Token::Comma => Side::Open,
        Token::BlockStart => Side::Start,
        _ => Side::Other,
    }
}

/// A variable is not folded, and numbers alone stay small.
fn may_multiply(left: Side, right: Side) -> bool {
    left == Side::Name || right == Side::Name || (left == Side::Number && right == Side::Number)
}
