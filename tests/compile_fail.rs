//! The closures people get wrong do not compile, and the compiler says what to write instead.
//!
//! The messages are the compiler's, so they are compared with those of one version: the newest that the tests were written with.

#[test]
fn wrong_closures_are_refused_with_a_mend() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
