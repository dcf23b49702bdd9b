//! Code that acts without being named: traits, their implementations, and what macros make.

use crate::package::Package;

#[test]
fn a_traits_default_method_counts() {
    let package = Package::new(
        "trait Layer { fn size(&self) -> u32 { 1 } } struct Own; impl Layer for Own {} pub fn run() { Own.size(); }",
    );
    package.edit("{ 1 }", "{ 2 }").changes(&["trait Layer"]);
}

#[test]
fn the_default_method_of_a_supertrait_counts() {
    let package = Package::new(
        "mod base { pub trait Base { fn size(&self) -> u32 { 1 } } }
         mod layer { pub trait Layer: super::base::Base {} }
         fn total<L: layer::Layer>(layer: L) {} pub fn run() { total(0); }",
    );
    package.edit("{ 1 }", "{ 2 }").changes(&["trait Base"]);
}

#[test]
fn a_trait_that_a_bound_names_counts() {
    let package = Package::new(
        "mod a { pub trait Go { fn go(&self) { 1; } } } pub fn run(x: impl a::Go) { x.go(); }",
    );
    package.edit("1;", "2;").changes(&["trait Go"]);
}

#[test]
fn a_traits_impl_in_another_file_counts() {
    let package = Package::new("mod far; pub struct Own; pub fn run() { drop(Own); }").with(
        "src/far.rs",
        "impl Drop for crate::Own { fn drop(&mut self) { 1; } }",
    );
    package
        .edit("1;", "2;")
        .changes(&["impl Drop for crate::Own"]);
}

#[test]
fn an_impl_of_default_counts() {
    let package = Package::new(
        "struct Limits(u32); impl Default for Limits { fn default() -> Limits { Limits(1) } } pub fn run() { Limits::default(); }",
    );
    package
        .edit("Limits(1)", "Limits(2)")
        .changes(&["impl Default for Limits"]);
}

#[test]
fn an_impl_for_a_type_that_is_not_reached_changes_nothing() {
    let package = Package::new(
        "struct Own; struct Other; impl Drop for Other { fn drop(&mut self) { 1; } } pub fn run() { Own; }",
    );
    package.edit("1;", "2;").changes_nothing();
}

#[test]
fn an_impl_of_a_trait_that_is_not_reached_changes_nothing() {
    let package = Package::new(
        "mod t { pub trait Show {} } mod i { impl super::t::Show for super::Own {} } struct Own; pub fn run() { Own; }",
    );
    package
        .edit(
            "Show for super::Own {}",
            "Show for super::Own { fn x() {} }",
        )
        .changes_nothing();
}

#[test]
fn a_blanket_impl_counts() {
    let package = Package::new(
        "mod t { pub trait Show { fn show(&self); } } mod i { impl<T: Clone> crate::t::Show for T { fn show(&self) { 1; } } }
         use t::Show; pub fn run() { 5.show(); }",
    );
    package.edit("1;", "2;").changes(&["impl Show for T"]);
}

#[test]
fn a_parameter_by_the_name_of_a_type_is_not_the_type() {
    let package = Package::new(
        "mod t { pub trait Show { fn show(&self) {} } } mod i { struct T; impl<T: Clone> crate::t::Show for T { fn show(&self) { 1; } } }
         use t::Show; pub fn run() { 5.show(); }",
    );
    package.edit("1;", "2;").changes(&["impl Show for T"]);
}

#[test]
fn a_conversion_into_another_crates_type_counts() {
    let package = Package::new(
        "struct Own; impl From<Own> for String { fn from(own: Own) -> String { 1; } } pub fn run() -> String { Own.into() }",
    );
    package
        .edit("1;", "2;")
        .changes(&["impl From<Own> for String"]);
}

#[test]
fn an_impl_for_an_alias_counts() {
    let package = Package::new(
        "struct Own; mod far { type Alias = super::Own; impl Drop for Alias { fn drop(&mut self) { 1; } } } pub fn run() { Own; }",
    );
    package.edit("1;", "2;").changes(&["impl Drop for Alias"]);
}

#[test]
fn an_impl_for_what_belongs_to_another_type_counts() {
    let package = Package::new(
        "struct Own; mod far { struct Key; impl Drop for <Key as Tr>::Value { fn drop(&mut self) { 1; } } } pub fn run() { Own; }",
    );
    package
        .edit("1;", "2;")
        .changes(&["impl Drop for <Key as Tr>::Value"]);
}

#[test]
fn a_method_called_through_a_trait_object_counts() {
    let package = Package::new(
        "trait Go { fn go(&self); } struct A; impl Go for A { fn go(&self) { 1; } }
         fn pick() -> Box<dyn Go> { Box::new(A) } pub fn run() { pick().go(); }",
    );
    package.edit("1;", "2;").changes(&["impl Go for A"]);
}

#[test]
fn a_method_of_any_reached_type_counts_where_its_name_occurs() {
    let package = Package::new(
        "mod a { pub struct Own; impl Own { pub fn go(&self) { 1; } pub fn stay(&self) { 2; } } pub fn own() -> Own { Own } } pub fn run() { a::own().go(); }",
    );
    package.edit("1;", "3;").changes(&["impl Own::go"]);
    package.edit("2;", "3;").changes_nothing();
}

#[test]
fn a_method_that_a_known_macro_calls_counts() {
    let package = Package::new(
        "struct Out; impl Out { fn write_fmt(&self, text: std::fmt::Arguments) { 1; } } pub fn run() { write!(Out, \"\"); }",
    );
    package.edit("1;", "2;").changes(&["impl Out::write_fmt"]);
}

#[test]
fn an_impl_within_a_function_that_nothing_reaches_counts() {
    let package = Package::new(
        "struct Own; fn idle() { impl Drop for Own { fn drop(&mut self) { 1; } } } pub fn run() { Own; }",
    );
    package.edit("1;", "2;").changes(&["impl Drop for Own"]);
}

#[test]
fn an_impl_within_a_constant_counts() {
    let package = Package::new(
        "struct Own; const _: () = { impl Own { fn go(&self) { 1; } } }; pub fn run() { Own.go(); }",
    );
    package.edit("1;", "2;").changes(&["impl Own::go"]);
}

#[test]
fn an_import_that_may_be_a_trait_counts() {
    let package = Package::new("use anyhow::Result; pub fn run() { Ok(1).go(); }");
    package
        .edit(
            "use anyhow::Result;",
            "use anyhow::Result; use rand_core::Rng as _;",
        )
        .changes(&[
            "features of rand-core",
            "rand-core 0.9.0",
            "traits in scope",
        ]);
    let package = Package::new("use std::io::Read; pub fn run() { 1.go(); }");
    package
        .edit("use std::io::Read", "use std::io::Write")
        .changes(&["traits in scope"]);
}

#[test]
fn a_trait_of_ones_own_in_scope_counts() {
    let package = Package::new(
        "mod t { pub trait Go { fn go(&self) { 1; } } impl Go for u32 {} } mod u { pub trait Run {} } use t::Go as _; pub fn run() { 1u32.go(); }",
    );
    package.edit("1; }", "2; }").changes(&["trait Go"]);
    package
        .edit("use t::Go as _", "use t::Go as _; use u::Run as _")
        .changes(&["trait Run", "traits in scope"]);
}

#[test]
fn traits_that_globs_bring_count() {
    let package = Package::new(
        "mod all { pub use crate::t::Go; } mod t { pub trait Go { fn go(&self) { 1; } } } mod w { use crate::all::*; pub fn run() { 5.go(); } } pub use w::run;",
    );
    package.edit("1;", "2;").changes(&["trait Go"]);
    let package =
        Package::new("mod all { pub use std::io::Read; } use all::*; pub fn run() { 1.go(); }");
    package
        .edit("io::Read", "io::Write")
        .changes(&["traits in scope"]);
}

#[test]
fn a_trait_imported_within_a_function_counts() {
    let package = Package::new(
        "mod t { pub trait Go { fn go(&self) { 1; } } } pub fn run() { use t::*; 5.go(); }",
    );
    package.edit("1;", "2;").changes(&["trait Go"]);
}

#[test]
fn a_glob_of_another_crate_counts() {
    let package = Package::new("pub fn run() { go(); }");
    package
        .edit("pub fn run", "use rand_core::*; pub fn run")
        .changes(&[
            "features of rand-core",
            "globs of crates",
            "rand-core 0.9.0",
        ]);
    let package = Package::new("mod all { pub use std::io::*; } pub fn run() { all::copy(); }");
    package.edit("std::io", "std::fs").changes(&["fn run"]);
}

#[test]
fn a_macros_body_counts() {
    let package = Package::new("macro_rules! one { () => { 1 }; } pub fn run() { one!(); }");
    package.edit("{ 1 }", "{ 2 }").changes(&["macro one"]);
}

#[test]
fn a_macro_that_another_macro_calls_counts() {
    let package = Package::new(
        "#[macro_use] mod m { macro_rules! one { () => { two!() }; } macro_rules! two { () => { 2 }; } } pub fn run() { one!(); }",
    );
    package.edit("{ 2 }", "{ 3 }").changes(&["macro two"]);
}

#[test]
fn a_macro_that_is_handed_on_counts() {
    let package = Package::new(
        "macro_rules! call { ($m:ident) => { $m!() }; } macro_rules! two { () => { 2 }; } fn idle() {} pub fn run() { call!(two); }",
    );
    package.edit("{ 2 }", "{ 3 }").changes(&["macro two"]);
    let package = Package::new(
        "#[macro_use] mod m { macro_rules! call { ($m:ident) => { $m!() }; } macro_rules! two { () => { here() }; } }
         mod w { fn here() { 1; } pub fn run() { call!(two); } } fn idle() { 3; } pub use w::run;",
    );
    package.edit("1;", "2;").changes(&["fn here"]);
}

#[test]
fn what_a_macro_mentions_is_reached_where_it_stands_and_where_it_is_called() {
    let package = Package::new(
        "#[macro_use] mod m { macro_rules! go { () => { $crate::m::there(); here() }; } pub fn there() { 1; } }
         mod w { fn here() { 2; } pub fn run() { go!(); } } pub use w::run;",
    );
    package.edit("1;", "3;").changes(&["fn there"]);
    package.edit("2;", "3;").changes(&["fn here"]);
}

#[test]
fn what_a_name_in_a_macro_means_where_it_is_called_counts() {
    let package = Package::new(
        "mod a { pub fn f() {} } mod b { pub fn f() {} } macro_rules! go { () => { target() }; }
         use a::f as target; pub fn run() { go!(); a::f(); b::f(); }",
    );
    package
        .edit("use a::f as target", "use b::f as target")
        .changes(&["fn run", "macro go"]);
}

#[test]
fn a_module_that_a_macro_is_given_counts_as_a_whole() {
    let package = Package::new(
        "mod a { pub fn f() { 1; } pub mod deep { pub fn g() { 2; } } } macro_rules! call { ($m:ident) => { $m::f(); $m::deep::g() }; } pub fn run() { call!(a); }",
    );
    package.edit("1;", "3;").changes(&["fn f"]);
    package.edit("2;", "3;").changes(&["fn g"]);
}

#[test]
fn where_the_names_of_a_module_lead_counts_if_any_may_be_meant() {
    let package = Package::new(
        "mod a { pub use crate::x::f as go; } mod x { pub fn f() {} } mod y { pub fn f() {} }
         macro_rules! call { ($m:ident) => { $m::go() }; } pub fn run() { call!(a); x::f(); y::f(); }",
    );
    package
        .edit("use crate::x::f as go", "use crate::y::f as go")
        .changes(&["all names"]);
}

#[test]
fn a_macro_called_in_an_items_place_counts() {
    let package = Package::new(
        "macro_rules! make { ($name:ident) => { fn $name() { 1; } }; } mod far { make!(go); pub fn idle() {} } pub fn run() { far::go(); }",
    );
    package
        .edit("make!(go)", "make!(go); make!(stay)")
        .changes(&["macro call make!"]);
    package.edit("1;", "2;").changes(&["macro make"]);
}

#[test]
fn a_macro_that_implements_something_for_a_reached_type_counts() {
    let package = Package::new(
        "macro_rules! free { ($name:ty) => { impl Drop for $name { fn drop(&mut self) { 1; } } }; } mod far { free!(crate::Own); } struct Own; pub fn run() { Own; }",
    );
    package.edit("1;", "2;").changes(&["macro free"]);
}

#[test]
fn a_macro_that_implements_something_from_within_a_function_counts() {
    let package = Package::new(
        "macro_rules! free { ($name:ty) => { impl Drop for $name { fn drop(&mut self) { 1; } } }; } mod far { fn idle() { free!(crate::Own); } } struct Own; pub fn run() { Own; }",
    );
    package.edit("1;", "2;").changes(&["macro free"]);
}

#[test]
fn the_compilers_own_attributes_may_make_something_act() {
    let package = Package::new("mod far { #[unsafe(no_mangle)] fn hook() { 2; } } pub fn run() {}");
    package.edit("2;", "3;").changes(&["fn hook"]);
}

#[test]
fn known_macros_reach_what_they_name_and_no_more() {
    let package = Package::new(
        "fn idle() { 1; } pub fn run() { println!(\"{}\", vec![1].len()); anyhow::ensure!(true); }",
    );
    package.edit("1; }", "2; }").changes_nothing();
}

#[test]
fn a_module_within_a_function_may_reach_anything() {
    let package = Package::new(
        "fn far() { 1; } pub fn run() { mod inner { pub fn f() { super::far() } } inner::f(); }",
    );
    package.edit("1;", "2;").changes(&["fn far"]);
}

#[test]
fn the_items_of_an_extern_block_count() {
    let package = Package::new(
        "mod c { unsafe extern \"C\" { pub fn cos(x: f64) -> f64; } } pub fn run() { c::cos(1.0); }",
    );
    package.edit("x: f64", "x: f32").changes(&["extern block"]);
}

#[test]
fn the_condition_of_a_trait_in_scope_counts() {
    let package =
        Package::new("#[cfg(feature = \"fast\")] use std::io::Read; pub fn run() { 1.go(); }");
    package
        .becomes(&package.clone().with_feature("fast"))
        .changes(&["traits in scope"]);
}

#[test]
fn a_trait_that_a_macro_defines_counts() {
    let package = Package::new(
        "macro_rules! make { ($name:ident) => { pub trait $name { fn go(&self) { 1; } } }; } mod made { make!(Go); } use made::Go; pub fn run() { 5.go(); }",
    );
    package.edit("1;", "2;").changes(&["macro make"]);
}

#[test]
fn a_macro_that_is_given_an_alias_counts() {
    let package = Package::new(
        "macro_rules! free { ($name:ty) => { impl Drop for $name { fn drop(&mut self) { 1; } } }; } type Alias = Own; mod far { free!(crate::Alias); } struct Own; pub fn run() { Own; }",
    );
    package.edit("1;", "2;").changes(&["macro free"]);
}

#[test]
fn the_order_of_files_counts_where_it_decides_which_macro_is_meant() {
    let package = Package::new(
        "macro_rules! one { () => { 1 }; } fn idle() {} pub fn run() { one!(); } macro_rules! one { () => { 2 }; }",
    );
    package.edit("fn idle() {}", "").changes(&["fn run"]);
}

#[test]
fn a_path_that_a_macro_goes_on_with_counts_as_a_whole_module() {
    let package = Package::new(
        "mod a { pub const ONE: u32 = 1; } macro_rules! show { ($name:ident) => { println!(\"{}\", crate::a::$name) }; } pub fn run() { show!(ONE); }",
    );
    package.edit("= 1", "= 2").changes(&["const ONE"]);
}

#[test]
fn calls_of_the_same_macro_count_one_by_one() {
    let package = Package::new(
        "macro_rules! make { () => { impl Drop for Own {} }; } make!(); struct Own; pub fn run() { Own; }",
    );
    package
        .edit("make!();", "make!(); make!();")
        .changes(&["macro call make!"]);
}

#[test]
fn traits_in_scope_count_only_where_something_may_be_called() {
    let package = Package::new("mod a; pub fn run() { a::LENGTH; }")
        .with("src/a.rs", "pub const LENGTH: usize = 8 * (1 + 2);");
    let with_trait = |text: &str| {
        package
            .clone()
            .with("src/a.rs", &format!("use std::io::Read; {text}"))
    };
    package
        .becomes(&with_trait("pub const LENGTH: usize = 8 * (1 + 2);"))
        .changes_nothing();
    for call in ["1u8.go()", "u8::go()", "vec!()", "[1; 2].len()"] {
        let text = format!("pub const LENGTH: usize = {call};");
        package
            .clone()
            .with("src/a.rs", &text)
            .becomes(&with_trait(&text))
            .changes(&["traits in scope"]);
    }
    for attribute in ["default = \"Own::go\"", "default = 1.go()"] {
        let text = format!(
            "#[derive(serde::Deserialize)] pub struct LENGTH {{ #[serde({attribute})] x: u8 }}"
        );
        package
            .clone()
            .with("src/a.rs", &text)
            .becomes(&with_trait(&text))
            .changes(&["traits in scope"]);
    }
}

#[test]
fn an_import_that_a_macro_makes_is_followed() {
    let package = Package::new(
        "mod a { pub fn f() { 1; } } macro_rules! import { () => { use $crate::a; }; }
         mod m { import!(); pub fn run() { a::f(); } } pub use m::run;",
    );
    package.edit("1;", "2;").changes(&["fn f"]);
    let package = Package::new(
        "macro_rules! go { () => {{ use super::a; a::f() }}; }
         mod b { pub mod a { pub fn f() { 1; } } pub mod m { pub fn run() { go!(); } } } pub use b::m::run;",
    );
    package.edit("1;", "2;").changes(&["fn f"]);
}

#[test]
fn a_type_behind_a_macros_variable_counts() {
    let package = Package::new(
        "macro_rules! limit { ($name:ident) => { fn $name($name: Limits) {} }; } struct Limits(u8); limit!(go); pub fn run() { go(5); }",
    );
    package
        .edit("Limits(u8)", "Limits(u16)")
        .changes(&["struct Limits"]);
}

#[test]
fn a_projection_given_to_a_macro_may_be_any_type() {
    let package = Package::new(
        "macro_rules! free { ($name:ty) => { impl Drop for $name { fn drop(&mut self) { 1; } } }; } struct Own;
         mod far { struct Key; free!(<Key as Tr>::Value); } pub fn run() { Own; }",
    );
    package.edit("1;", "2;").changes(&["macro free"]);
}

#[test]
fn a_method_with_a_raw_name_is_found() {
    let package = Package::new(
        "struct Own; impl Own { fn r#try(&self) { 1; } } pub fn run() { Own.r#try(); }",
    );
    package.edit("1;", "2;").changes(&["impl Own::try"]);
}
