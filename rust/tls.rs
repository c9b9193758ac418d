//! TLS settings of a `rediss://` URL: certificates are verified unless the URL says otherwise.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Result};
use crate::url::Tls;

/// The client's end of a TLS session with `host`.
pub fn session(tls: &Tls, host: &str) -> Result<ClientConnection> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| Error::Config("the host name makes no sense".into()))?;
    let config = Arc::new(config(tls)?);
    ClientConnection::new(config, name).map_err(|error| Error::Unreachable(format!("TLS: {error}")))
}

fn config(tls: &Tls) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Config(format!("TLS: {error}")))?;
    let builder = if tls.verify && tls.check_hostname {
        builder.with_root_certificates(roots(tls)?)
    } else {
        let chain = if tls.verify { Some(chain_verifier(roots(tls)?, &provider)?) } else { None };
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient { provider, chain }))
    };
    match (&tls.certfile, &tls.keyfile) {
        (Some(certfile), Some(keyfile)) => {
            let key = PrivateKeyDer::from_pem_file(keyfile).map_err(|_| unreadable(keyfile, "private key"))?;
            let certificates = certificates(certfile)?;
            builder.with_client_auth_cert(certificates, key).map_err(|error| Error::Config(format!("TLS: {error}")))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn chain_verifier(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map_err(|error| Error::Config(format!("TLS: {error}")))
}

fn roots(tls: &Tls) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let given = match &tls.ca_certs {
        None => system_certificates().to_vec(),
        Some(path) if path.is_dir() => folder(path)?,
        Some(path) => certificates(path)?,
    };
    let (added, _) = store.add_parsable_certificates(given);
    match (added, &tls.ca_certs) {
        (0, Some(path)) => Err(unreadable(path, "certificate")),
        (0, None) => {
            Err(Error::Config("this system has no certificates of authorities; name some by ssl_ca_certs".into()))
        }
        _ => Ok(store),
    }
}

/// Read once a process: it takes some milliseconds.
fn system_certificates() -> &'static [CertificateDer<'static>] {
    static CERTIFICATES: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    CERTIFICATES.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    read.ok().filter(|found| !found.is_empty()).ok_or_else(|| unreadable(path, "certificate"))
}

fn folder(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let entries = std::fs::read_dir(path).map_err(|_| unreadable(path, "certificate"))?;
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    Ok(files.filter_map(|file| certificates(&file).ok()).flatten().collect())
}

fn unreadable(path: &Path, what: &str) -> Error {
    Error::Config(format!("no {what} can be read from {}", path.display()))
}

/// Checks less than it should, because the URL asked for that: the chain without the host's name, or nothing at all.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    chain: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is checked after the chain, so that only it can have failed here.
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName)) => {
                Ok(ServerCertVerified::assertion())
            }
            Err(error) if is_only_the_name(&error, certificate, name) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_only_the_name(error: &rustls::Error, certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let about_name =
        matches!(error, rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }));
    about_name
        && ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, name).is_err())
}
