//! What the compiler takes into the code from outside of it, and what cannot be followed.

use crate::package::Package;

#[test]
fn a_file_that_is_included_as_text_counts() {
    let package = Package::new("mod a; pub fn run() { a::f(); }")
        .with(
            "src/a.rs",
            "pub fn f() { include_str!(\"../data/table.txt\"); }",
        )
        .with("data/table.txt", "1 2 3");
    package.edit("1 2 3", "1 2 4").changes(&["fn f"]);
}

#[test]
fn a_file_that_is_included_as_bytes_counts() {
    let package =
        Package::new("static DATA: &[u8] = include_bytes!(\"data.bin\"); pub fn run() { DATA; }")
            .with("src/data.bin", "1 2 3");
    package.edit("1 2 3", "1 2 4").changes(&["static DATA"]);
}

#[test]
fn a_file_of_code_is_followed_where_it_is_included() {
    let package = Package::new("fn far() { 1; } pub fn run() { include!(\"body.in\"); }")
        .with("src/body.in", "{ far(); 2 }");
    package.edit("1;", "3;").changes(&["fn far"]);
    package.edit("2 }", "3 }").changes(&["fn run"]);
}

#[test]
fn an_included_file_has_its_own_folder() {
    let package = Package::new("pub fn run() { include!(\"more/body.in\"); }")
        .with("src/more/body.in", "{ include_str!(\"text\") }")
        .with("src/more/text", "1 2 3")
        .with("src/text", "another");
    package.edit("1 2 3", "1 2 4").changes(&["fn run"]);
}

#[test]
fn a_file_of_items_is_part_of_the_module_that_includes_it() {
    let package = Package::new("include!(\"more.in\"); pub fn run() { far(); }")
        .with("src/more.in", "fn far() { 1; } fn idle() { 2; }");
    package.edit("1;", "3;").changes(&["fn far"]);
    package.edit("2;", "3;").changes_nothing();
}

#[test]
fn a_variable_of_the_build_counts() {
    let package = Package::new("pub fn run() { env!(\"LEVEL\"); option_env!(\"MAYBE\"); }")
        .with_variable("LEVEL", "1");
    package
        .becomes(&package.clone().with_variable("LEVEL", "2"))
        .changes(&["fn run"]);
    package
        .becomes(&package.clone().with_variable("MAYBE", ""))
        .changes(&["fn run"]);
    package
        .becomes(&package.clone().with_variable("OTHER", "2"))
        .changes_nothing();
}

#[test]
fn a_file_counts_as_a_whole_where_lines_are_counted() {
    let package = Package::new("// A line.\nfn at() -> u32 { line!() } pub fn run() { at(); }");
    package
        .edit("// A line.", "// A line.\n")
        .changes(&["fn at"]);
}

#[test]
fn whether_a_feature_is_on_counts_where_it_is_named() {
    let package = Package::new(
        "fn f() { if cfg!(feature = \"fast\") {} } #[cfg(feature = \"fast\")] fn g() {} fn h() {} pub fn run() { f(); g(); h(); }",
    );
    package
        .becomes(&package.clone().with_feature("fast"))
        .changes(&["fn f", "fn g"]);
}

#[test]
fn whether_a_feature_is_on_counts_for_the_module_that_it_guards() {
    let package =
        Package::new("#[cfg(feature = \"fast\")] mod m { pub fn f() {} } pub fn run() { m::f(); }");
    package
        .becomes(&package.clone().with_feature("fast"))
        .changes(&["attributes", "fn f"]);
}

#[test]
fn a_feature_that_is_named_nowhere_changes_nothing() {
    let package = Package::new("pub fn run() {}");
    package
        .becomes(&package.clone().with_feature("fast"))
        .changes_nothing();
}

#[test]
fn a_feature_that_chooses_a_backend_changes_nothing() {
    let package = Package::new("pub fn run() { if cfg!(feature = \"gpu\") {} }");
    package
        .becomes(&package.clone().with_feature("gpu"))
        .changes_nothing();
}

#[test]
fn attributes_of_the_crate_and_its_edition_count() {
    let package =
        Package::new("#![recursion_limit = \"8\"] mod a { pub fn f() {} } pub use a::f as run;");
    package
        .edit("\"8\"", "\"9\"")
        .changes(&["attributes", "fn f"]);
    package
        .edit("edition = \"2024\"", "edition = \"2021\"")
        .changes(&["edition"]);
}

#[test]
fn an_include_without_a_literal_is_an_error_only_where_it_is_reached() {
    let package = Package::new(
        "mod table { include!(concat!(env!(\"OUT_DIR\"), \"/table.rs\")); pub fn f() {} } pub fn run() { let x = 1; }",
    );
    assert!(package.parts().is_ok());
    let error = package
        .replaced("let x = 1", "table::f()")
        .parts()
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("src/lib.rs: macro call include! has include! of something"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_item_and_file() {
    let error = Package::new("pub fn run() { include_str!(\"none.txt\"); }")
        .parts()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("fn run has the file src/none.txt"),
        "{error}"
    );
    let error = Package::new("mod none; pub fn run() {}")
        .parts()
        .unwrap_err()
        .to_string();
    assert_eq!(error, "src/none/mod.rs: cannot be read");
}

#[test]
fn a_file_that_cannot_be_parsed_is_an_error_that_names_it() {
    let package = Package::new("mod a; pub fn run() {}");
    for text in ["pub fn f( {}", "pub fn f( {})"] {
        let error = package.clone().with("src/a.rs", text).parts().unwrap_err();
        assert_eq!(error.file, "src/a.rs", "{error}");
    }
}

#[test]
fn a_module_that_an_attribute_may_rewrite_is_an_error() {
    for module in [
        "#[paste::odd] mod a {}",
        "#[cfg_attr(unix, path = \"b.rs\")] mod a;",
    ] {
        let error = Package::new(&format!("{module} pub fn run() {{}}"))
            .parts()
            .unwrap_err()
            .to_string();
        assert!(error.contains("mod a has"), "{error}");
    }
}

#[test]
fn a_root_that_is_not_there_is_an_error() {
    let error = Package::new("fn walk() {}")
        .parts()
        .unwrap_err()
        .to_string();
    assert!(error.contains("has no run"), "{error}");
}

#[test]
fn a_file_of_items_has_its_own_folder() {
    let package = Package::new("include!(\"more/items.in\"); pub fn run() { far(); }")
        .with("src/more/items.in", "fn far() { include_str!(\"text\"); }")
        .with("src/more/text", "1 2 3");
    package.edit("1 2 3", "1 2 4").changes(&["fn far"]);
}

#[test]
fn a_file_of_items_under_a_condition_counts() {
    let package = Package::new("#[cfg(unix)] include!(\"more.in\"); pub fn run() { far(); }")
        .with("src/more.in", "fn far() { 1; }");
    package.edit("1;", "3;").changes(&["macro call include!"]);
    package
        .edit("cfg(unix)", "cfg(windows)")
        .changes(&["macro call include!"]);
}
