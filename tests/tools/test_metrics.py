"""tools/metrics reads the table of metrics from the calls that make them."""
import pytest


@pytest.fixture
def metrics(tool):
    return tool("metrics")


def test_every_shape_of_a_call_is_read(metrics):
    text = '''
      metrics::counter("tiltyard_one_total", "Ones that " "were seen.", {{"kind", k}, {"outcome", std::string(f("x"))}}).add();
      x_(metrics::histogram("tiltyard_two_seconds", "How long (all) took", {0.1, 1}, {{"kind", kind}}));
      static const auto gauge = metrics::gauge("tiltyard_three",
                                               "Threes");
      const metrics::Labels labels{{"template", pool.tmpl.str()}};
      metrics::gauge("tiltyard_four", "Fours", labels).set(1);
      histogram("tiltyard_five", "Fives", kTimes);
    '''
    assert dict(metrics.metrics_in(text)) == {
        "tiltyard_one_total": metrics.Metric("counter", ("kind", "outcome"), "Ones that were seen"),
        "tiltyard_two_seconds": metrics.Metric("histogram", ("kind",), "How long (all) took"),
        "tiltyard_three": metrics.Metric("gauge", (), "Threes"),
        "tiltyard_four": metrics.Metric("gauge", ("template",), "Fours"),
        "tiltyard_five": metrics.Metric("histogram", (), "Fives"),
    }


def test_one_metric_with_two_texts_is_a_fault(metrics, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.cpp").write_text('counter("tiltyard_one_total", "Ones");')
    (tmp_path / "src" / "b.cpp").write_text('counter("tiltyard_one_total", "Others");')
    (tmp_path / "src" / "b_test.cpp").write_text('counter("tiltyard_test_total", "Made by a test");')
    found, complaints = metrics.collect(tmp_path)
    assert list(found) == ["tiltyard_one_total"]
    assert len(complaints) == 1 and complaints[0].startswith("src/b.cpp: tiltyard_one_total")


def test_the_table_is_replaced_and_nothing_else(metrics):
    found = {"process_threads": metrics.Metric("gauge", (), "Threads"), "tiltyard_one_total": metrics.Metric("counter", ("kind",), "Ones")}
    text = "before\n\n" + "\n".join(metrics.HEAD) + "\n| `old` | gauge |  | Gone |\n\nafter\n"
    assert metrics.rewrite(text, found) == (
        "before\n\n" + "\n".join(metrics.HEAD) +
        "\n| `tiltyard_one_total` | counter | kind | Ones |\n| `process_threads` | gauge |  | Threads |\n\nafter\n")


def test_the_document_has_the_metrics_of_the_source(metrics, capsys):
    assert metrics.main(["--check"]) == 0, capsys.readouterr().err
