//! Lets `cargo test` find a shared libpython that lies outside the loader's path (pyenv, uv).

fn main() {
    // Wheels never link libpython; an rpath in them would only leak the builder's folders.
    if std::env::var_os("PYO3_BUILD_EXTENSION_MODULE").is_none() {
        pyo3_build_config::add_libpython_rpath_link_args();
    }
}
