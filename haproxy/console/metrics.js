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

// What /metrics/history says: by the time in ms an array as above.
export function samplesByTime({ times, series }) {
  const samples = new Map(times.map((time) => [time, []]));
  for (const [key, values] of Object.entries(series)) {
    const [, name, labels = ""] = /^([^{]*)(?:\{(.*)\})?$/.exec(key);
    // A series that began later has fewer values.
    const first = times.length - values.length;
    for (const [index, value] of values.entries()) {
      if (value !== null) samples.get(times[first + index]).push({ name, labels, value });
    }
  }
  return samples;
}

// The sum of the series of a metric, or of those that have a label: name{label="value"}. Null if there is none.
export function total(samples, metric) {
  const [name, label = ""] = metric.replace("}", "").split("{");
  const series = samples.filter((sample) => sample.name === name && sample.labels.includes(label));
  return series.length === 0 ? null : series.reduce((sum, { value }) => sum + value, 0);
}
