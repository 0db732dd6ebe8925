// Prometheus' text format.

// An array of { name, labels, value }; `labels` is the text between the braces.
export function parseMetrics(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const match = /^([a-z_][\w:]*)(?:\{(.*)\})? (\S+)/i.exec(line);
    if (match) samples.push({ name: match[1], labels: match[2] ?? "", value: Number(match[3]) });
  }
  return samples;
}

// The sum of the series of a metric, or of those that have a label: name{label="value"}. Null if there is none.
export function total(samples, metric) {
  const [name, label = ""] = metric.replace("}", "").split("{");
  const series = samples.filter((sample) => sample.name === name && sample.labels.includes(label));
  return series.length === 0 ? null : series.reduce((sum, { value }) => sum + value, 0);
}
