//! What crosses a wire or lies in a file.
//!
//! UDI, entitlement tag, RUM report, ACK, policy, trust code and the messages that carry them; their
//! XML and JSON forms; signing and verification. Nothing here opens a file or a socket, reads a clock
//! or draws a random number of its own: bytes, `now` and randomness come in as arguments.
//!
//! One rule shapes the crate: **signed bytes are kept bytes**. A parsed document keeps the exact text
//! each signature covers, next to what the text says, and whoever forwards it forwards that text.
//! `docs/protocol.md` describes every form byte by byte.

#![warn(missing_docs)]

mod account;
mod ack;
mod archive;
mod bundle;
mod callhome;
mod carried;
mod conversion;
mod crypto;
mod document;
mod document_writer;
mod identity;
mod idset;
mod image;
mod message;
mod message_form;
mod older;
mod pieces;
mod policy;
mod random;
mod real_suite;
mod report;
mod revocation;
mod simulated;
mod statement;
mod text;
mod time;
mod trust;
mod verify;

pub use account::AccountInfo;
pub use ack::{Acknowledgement, RefusalReason, StatusCode, acknowledgement_text};
pub use archive::{
    ArchiveError, ArchiveLimits, ArchiveWriter, Found, Member, is_gzip, is_tar, read_archive,
    read_members, write_tar,
};
pub use bundle::{
    BundleError, BundlePart, BundleWriter, InBundle, MANIFEST_NAME, Manifest, ManifestKey,
    SignedManifest, bundle_time, first_manifest, read_bundle, registration_text,
};
pub use callhome::{CallHomeAnswer, CallHomeError, CallHomeRequest};
pub use carried::{CarriedError, is_wrapped, plain};
pub use conversion::{Conversion, Traditional};
pub use crypto::{
    CryptoError, PublicKey, Signer, SignerCertificate, SignerIdentity, SigningIdentity,
    SigningType, Suite, hmac_sha256, sha256, sha256_of,
};
pub use document::{DeviceInfo, Document, DocumentError, ReportRequest, Signed, SystemInfo};
pub use document_writer::DocumentWriter;
pub use identity::{EntitlementTag, InvalidIdentity, Role, Udi};
pub use idset::IdSet;
pub use image::{IMAGE_BYTES_MAX, ImageError, SoftwareImage};
pub use message::{
    CustomerTags, MESSAGE_VERSION, Request, RequestBody, Response, ResponseStatus, SignedText,
    Speaker, UsageItem,
};
pub use message_form::MessageForm;
pub use older::{OlderAnswer, OlderCall, OlderResult, OlderUse, OlderWord};
pub use pieces::{PiecesError, read_in_pieces};
pub use policy::{ClassPolicy, Policy};
pub use random::{Random, random_hex, random_uuid};
pub use real_suite::{Authority, RealSuite};
pub use report::{
    AssetSignature, HaMember, Lineage, Measurement, PreviousReport, ReportError, ReportSignature,
    RumReport, SignedReport, TerminationReason, asset_signature, report_text, sign_report,
};
pub use revocation::Revocation;
pub use simulated::SimulatedSuite;
pub use statement::{Purpose, SKEW_SECONDS, cssm_id, is_not_of_the_future, is_of_now};
pub use text::{base64, from_base64};
pub use time::{Civil, Timestamp};
pub use trust::{TrustCode, TrustRequest, TrustRequestError, is_id_token_of, new_id_token};
pub use verify::{Finding, Trusted, Verdict, Voucher, verify_bytes};
