//! One question on stdin, one answer on stdout, both JSON:
//! `{"user_data": hex|null, "nonce": hex|null, "public_key": hex|null}` → `{"document": hex}` or `{"error": text}`.
//! Fields are at most 512 bytes (1,024 for the key), as the module has it. Exit status 0 with a document, 1 without.

use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use aws_nitro_enclaves_nsm_api::driver;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::io::Read;
use std::process::ExitCode;

const QUESTION_BYTES_MAX: u64 = 8 * 1024;
const FIELD_BYTES_MAX: usize = 512;
const KEY_BYTES_MAX: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    user_data: Option<String>,
    nonce: Option<String>,
    public_key: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Document(String),
    Error(String),
}

fn main() -> ExitCode {
    let mut text = String::new();
    let read = std::io::stdin().take(QUESTION_BYTES_MAX).read_to_string(&mut text);
    let answer = read.map_err(|error| error.to_string()).and_then(|_| request(&text)).and_then(ask);
    let (answer, code) = match answer {
        Ok(document) => (Answer::Document(hex::encode(document)), ExitCode::SUCCESS),
        Err(error) => (Answer::Error(error), ExitCode::FAILURE),
    };
    println!("{}", serde_json::to_string(&answer).expect("a string is JSON"));
    code
}

/// The module's request for a question; an error names the field.
fn request(text: &str) -> Result<Request, String> {
    let question: Question = serde_json::from_str(text).map_err(|error| format!("the question is malformed: {error}"))?;
    Ok(Request::Attestation {
        user_data: field("user_data", question.user_data, FIELD_BYTES_MAX)?,
        nonce: field("nonce", question.nonce, FIELD_BYTES_MAX)?,
        public_key: field("public_key", question.public_key, KEY_BYTES_MAX)?,
    })
}

fn field(name: &str, value: Option<String>, most: usize) -> Result<Option<ByteBuf>, String> {
    let Some(text) = value else { return Ok(None) };
    let bytes = hex::decode(&text).map_err(|error| format!("{name}: {error}"))?;
    if bytes.is_empty() || bytes.len() > most {
        return Err(format!("{name}: {} bytes, 1 to {most} expected", bytes.len()));
    }
    Ok(Some(ByteBuf::from(bytes)))
}

/// Asks the device. There is none outside an enclave.
fn ask(request: Request) -> Result<Vec<u8>, String> {
    let device = driver::nsm_init();
    if device < 0 {
        return Err("there is no /dev/nsm: this is no Nitro enclave".into());
    }
    let response = driver::nsm_process_request(device, request);
    driver::nsm_exit(device);
    match response {
        Response::Attestation { document } => Ok(document),
        Response::Error(code) => Err(format!("the Nitro security module answers {code:?}")),
        _ => Err("the Nitro security module answers something else".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        request(text).err().expect("refused")
    }

    #[test]
    fn reads_a_question() {
        let Ok(Request::Attestation { user_data, nonce, public_key }) = request(r#"{"user_data":"0a0b","nonce":null,"public_key":"02"}"#) else { panic!("refused") };
        assert_eq!(user_data, Some(ByteBuf::from([10, 11])));
        assert_eq!(nonce, None);
        assert_eq!(public_key, Some(ByteBuf::from([2])));
    }

    #[test]
    fn refuses_what_is_no_question() {
        assert!(error("").starts_with("the question is malformed"));
        assert!(error(r#"{"user_data":null,"nonce":null,"public_key":null,"pcr":0}"#).contains("unknown field"));
        assert!(error(r#"{"user_data":"0g","nonce":null,"public_key":null}"#).starts_with("user_data"));
        assert!(error(r#"{"user_data":null,"nonce":"","public_key":null}"#).starts_with("nonce: 0 bytes"));
        let long = format!(r#"{{"user_data":"{}","nonce":null,"public_key":null}}"#, "00".repeat(513));
        assert!(error(&long).starts_with("user_data: 513 bytes, 1 to 512"));
    }

    #[test]
    fn says_that_there_is_no_enclave() {
        if std::path::Path::new("/dev/nsm").exists() {
            return;
        }
        let question = request(r#"{"user_data":"00","nonce":null,"public_key":null}"#).expect("a question");
        assert_eq!(ask(question), Err("there is no /dev/nsm: this is no Nitro enclave".into()));
    }
}
