#[test]
fn placeholder() {
    use super::*;
    let f = fs::File::create("/tmp/gen-data.tar.gz").unwrap();
    generate::write(
        &Generated {
            train: 4000,
            test: 1000,
            seed: 0,
        },
        f,
        &mut |_, _| (),
    )
    .unwrap();
}
