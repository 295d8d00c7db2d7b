//! Signs a file that ships beside the app, such as the catalogue of models: `sign KEY CONTEXT FILE`.
//! Makes no key: KEY is a file of 32 random bytes that stays with whoever answers for what is signed.
//!
//! Writes the Ed25519 signature as hexadecimal digits to FILE with the extension `sig`, and prints the public key.
#![allow(clippy::print_stdout)] // that is what it is for

use identity::{LocalKey, SigningKey as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, context, file] = arguments.as_slice() else {
        return Err("sign KEY CONTEXT FILE".into());
    };
    let secret: [u8; 32] = std::fs::read(key)?
        .try_into()
        .map_err(|_| format!("{key} does not hold 32 bytes"))?;
    let key = LocalKey::eddsa(&secret)?;
    // A line of its own, so that nothing signed for one purpose serves another.
    let message = [context.as_bytes(), b"\n", &std::fs::read(file)?].concat();
    let signature = hex::encode(key.sign(&message).to_bytes());
    std::fs::write(std::path::Path::new(file).with_extension("sig"), signature)?;
    println!("{}", hex::encode(key.public_key().to_bytes()));
    Ok(())
}
