// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** A topology to look at: as text, or for Graphviz. */
public final class Drawing {

    private final Topology topology;
    private final Map<String, List<String>> takers = new HashMap<>();
    private final Map<String, Topology.Node> nodes = new HashMap<>();

    public Drawing(Topology topology) {
        this.topology = topology;
        topology.from()
                .forEach((name, from) -> from.forEach(other ->
                        takers.computeIfAbsent(other, o -> new ArrayList<>()).add(name)));
        topology.sources().forEach(source -> nodes.put(source.name(), source.node()));
        topology.filters().forEach(filter -> nodes.put(filter.name(), filter.node()));
        topology.sinks().forEach(sink -> nodes.put(sink.name(), sink.node()));
    }

    /** A tree from each source; a sink of several streams says which one comes there. */
    public String text() {
        StringBuilder text = new StringBuilder();
        for (Topology pipeline : topology.pipelines()) {
            for (Topology.Source source : pipeline.sources()) {
                text.append(label(source.name())).append('\n');
                branch(text, "", List.of(source.name()));
            }
        }
        return text.toString();
    }

    private void branch(StringBuilder text, String indent, List<String> way) {
        List<String> next = takers.getOrDefault(way.getLast(), List.of());
        for (int i = 0; i < next.size(); i++) {
            boolean last = i == next.size() - 1;
            List<String> longer = new ArrayList<>(way);
            longer.add(next.get(i));
            text.append(indent).append(last ? "└─ " : "├─ ").append(label(next.get(i)));
            text.append(stream(longer)).append('\n');
            branch(text, indent + (last ? "   " : "│  "), longer);
        }
    }

    private String stream(List<String> way) {
        List<Topology.Stream> streams = topology.streams(way.getLast());
        int number = streams.indexOf(new Topology.Stream(way));
        return topology.sinks().stream()
                .filter(sink -> sink.name().equals(way.getLast()) && streams.size() > 1)
                .map(sink -> "  stream " + (sink.input().firstStreamId() + number))
                .collect(Collectors.joining());
    }

    /** Name, type and what else the file says of a node. */
    private String label(String name) {
        return name + " (" + settings(name, ", ") + ")";
    }

    private String settings(String name, String separator) {
        Topology.Node node = nodes.get(name);
        if (node == null || !(node.written() instanceof ConfigObject written)) {
            return "";
        }
        List<String> parts = new ArrayList<>();
        new TreeMap<>(written).forEach((key, value) -> {
            String shown =
                    value.unwrapped() instanceof String text ? text : value.render(ConfigRenderOptions.concise());
            if (key.equals("type")) {
                parts.addFirst(shown);
            } else if (!key.equals("from")) {
                parts.add(key + " = " + shown);
            }
        });
        return String.join(separator, parts);
    }

    /** For {@code dot -Tsvg}. */
    public String dot() {
        StringBuilder text = new StringBuilder("digraph sluice {\n  rankdir = LR;\n  node [shape = box];\n");
        for (String name : topology.from().keySet()) {
            String label = ConfigUtil.quoteString(name + "\n" + settings(name, "\n"));
            text.append("  ")
                    .append(ConfigUtil.quoteString(name))
                    .append(" [label = ")
                    .append(label);
            text.append(shape(name)).append("];\n");
        }
        topology.from()
                .forEach((name, from) -> from.forEach(other -> text.append("  ")
                        .append(ConfigUtil.quoteString(other))
                        .append(" -> ")
                        .append(ConfigUtil.quoteString(name))
                        .append(";\n")));
        return text.append("}\n").toString();
    }

    private String shape(String name) {
        boolean source = topology.sources().stream().anyMatch(s -> s.name().equals(name));
        boolean sink = topology.sinks().stream().anyMatch(s -> s.name().equals(name));
        return source ? ", style = bold" : sink ? ", style = rounded" : "";
    }
}
