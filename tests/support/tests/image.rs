//! The root of the image is as narrow as the image: tried with a shell in the place of the gateway.

use std::path::Path;

use portcullis_test_support::{DEADLINE, ImageRoot, Process};

const LOOK_AROUND: &str = r"
(: > /file) 2>/dev/null && echo 'the root is writable'
(: > /tmp/file) && echo 'tmp is writable'
(: > /dev/null) && echo 'null is there'
[ -e /bin ] && echo 'there is a bin'
while read -r line; do case $line in Uid*|NoNewPrivs*|CapEff*) echo $line ;; esac; done < /proc/self/status
";

#[tokio::test]
async fn a_process_in_the_root_of_the_image_can_do_what_a_container_can() {
    let dockerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Dockerfile");
    let Some(image) = ImageRoot::build(Path::new("/bin/dash"), &dockerfile) else { return };
    let mut shell = Process::spawn("a shell", image.run_with(&["-c".into(), LOOK_AROUND.into()]));
    shell.finished(DEADLINE).await;
    let expected = [
        "tmp is writable",
        "null is there",
        "Uid: 65532 65532 65532 65532",
        "CapEff: 0000000000000000",
        "NoNewPrivs: 1",
    ];
    let mut seen = shell.stdout();
    seen.sort_by_key(|line| expected.iter().position(|wanted| wanted == line));
    assert_eq!(seen, expected, "{}", shell.output());
}
