//! `completions` and `man`: made from the command line itself.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::Error;
use crate::{exit, output};

/// Prints a completion script.
pub fn completions(shell: Shell) -> Result<u8, Error> {
    // The generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "bitaqa-reader", &mut script);
    output::raw(&script)?;
    Ok(exit::GOOD)
}

/// Prints the page of the program, or writes the pages of all commands into `directory`.
pub fn man(directory: Option<&Path>) -> Result<u8, Error> {
    match directory {
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Args::command()).render(&mut page);
            rendered.map_err(|source| Error::Stdout { source })?;
            output::raw(&page)?;
        }
        Some(path) => {
            let failed = |source| Error::WriteFile { path: path.to_owned(), source };
            std::fs::create_dir_all(path).map_err(failed)?;
            clap_mangen::generate_to(Args::command(), path).map_err(failed)?;
        }
    }
    Ok(exit::GOOD)
}
