// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigValue;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.filter.Filter;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Framing;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What is to run, as configured and checked: sources, filters and sinks, joined by the names that each takes frames from.
 * There are no cycles, every name exists, and every node is on a way from a source to a sink.
 *
 * <p>Frames never mix on their way: what comes to a node from several is several {@linkplain Stream streams}, up to the
 * sink. So a filter that takes from two nodes is two filters, and a sink numbers the streams that it is sent.
 *
 * @param drainTimeout what stopping may take
 * @param pekko the file's own {@code pekko} section, with the defaults
 */
public record Topology(
        List<Source> sources, List<FilterNode> filters, List<Sink> sinks, Duration drainTimeout, Config pekko) {

    /**
     * What all nodes have.
     *
     * @param written the node's settings as the file has them, defaults left out
     * @param origin where it stands
     */
    public record Node(String name, ConfigValue written, ConfigOrigin origin) {}

    /** Where frames come from. */
    public sealed interface Source {
        Node node();

        /** Frames that can be on their way at once. */
        int buffers();

        default String name() {
            return node().name();
        }
    }

    /** {@code type = driver}. */
    public record Driver(Node node, DriverDevice.Settings settings) implements Source {
        @Override
        public int buffers() {
            return settings.buffers();
        }
    }

    /** {@code type = simulated}. */
    public record Simulated(Node node, SimulatedDevice.Settings settings) implements Source {
        @Override
        public int buffers() {
            return settings.buffers();
        }
    }

    /** {@code type = replay}. */
    public record Replay(Node node, ReplayDevice.Settings settings) implements Source {
        @Override
        public int buffers() {
            return settings.buffers();
        }
    }

    /**
     * A filter of any type.
     *
     * @param from nodes that it takes frames from
     * @param maker makes a filter for each of its streams when the pipeline starts
     */
    public record FilterNode(Node node, List<String> from, Supplier<Filter> maker) {
        public String name() {
            return node.name();
        }
    }

    /** Where frames go. */
    public sealed interface Sink {
        Input input();

        default Node node() {
            return input().node();
        }

        default String name() {
            return node().name();
        }
    }

    /**
     * How frames come to a sink.
     *
     * @param from nodes that it takes frames from
     * @param queue frames that wait before one is dropped, where {@code whenFull} drops any
     * @param firstStreamId of its streams, which are numbered from there on
     */
    public record Input(Node node, List<String> from, WhenFull whenFull, int queue, int firstStreamId) {}

    /**
     * {@code type = tcp}.
     *
     * @param host a name or address, looked up at each attempt to connect
     * @param sendBufferBytes SO_SNDBUF; 0 leaves it to the kernel
     */
    public record TcpSink(
            Input input,
            String host,
            int port,
            Framing framing,
            Transports.Options transport,
            int sendBufferBytes,
            Duration connectTimeout,
            Backoff backoff)
            implements Sink {}

    /** {@code type = discard}. */
    public record DiscardSink(Input input) implements Sink {}

    /**
     * How long to wait before connecting again.
     *
     * @param jitter random share, 0 to 1, by which each wait is longer or shorter
     */
    public record Backoff(Duration min, Duration max, double jitter) {

        /**
         * The wait after {@code failures} failures in a row.
         *
         * @param random from 0 to 1
         */
        public Duration delay(int failures, double random) {
            double doubled = (double) min.toMillis() * (1L << Math.min(failures, 30));
            double millis = Math.min((double) max.toMillis(), doubled);
            return Duration.ofMillis(Math.round(millis * (1 + jitter * (2 * random - 1))));
        }
    }

    /**
     * Frames of one source on one way.
     *
     * @param nodes names, from the source to the node that the stream comes to
     */
    public record Stream(List<String> nodes) {
        public String source() {
            return nodes.getFirst();
        }
    }

    /** The streams that come to a node, in the order of its {@code from}; a source has the one that begins there. */
    public List<Stream> streams(String node) {
        return streams(from(), node, new HashMap<>());
    }

    private static List<Stream> streams(Map<String, List<String>> from, String node, Map<String, List<Stream>> known) {
        List<Stream> before = known.get(node);
        if (before != null) {
            return before;
        }
        List<Stream> streams = new ArrayList<>();
        List<String> takes = from.getOrDefault(node, List.of());
        if (takes.isEmpty()) {
            streams.add(new Stream(List.of(node)));
        }
        for (String name : takes) {
            for (Stream stream : streams(from, name, known)) {
                List<String> way = new ArrayList<>(stream.nodes());
                way.add(node);
                streams.add(new Stream(List.copyOf(way)));
            }
        }
        known.put(node, streams);
        return streams;
    }

    /** What each node takes frames from, by its name; nothing for sources. */
    public Map<String, List<String>> from() {
        Map<String, List<String>> from = new LinkedHashMap<>();
        sources.forEach(source -> from.put(source.name(), List.of()));
        filters.forEach(filter -> from.put(filter.name(), filter.from()));
        sinks.forEach(sink -> from.put(sink.name(), sink.input().from()));
        return from;
    }

    /** The parts that have nothing to do with each other. Each runs as a pipeline of its own. */
    public List<Topology> pipelines() {
        Map<String, List<String>> from = from();
        Map<String, String> part = new HashMap<>();
        from.keySet().forEach(name -> part.put(name, name));
        from.forEach((name, takes) -> takes.forEach(other -> part.put(root(part, name), root(part, other))));
        Map<String, Topology> parts = new LinkedHashMap<>();
        for (Source source : sources) {
            String root = root(part, source.name());
            parts.computeIfAbsent(
                    root,
                    r -> new Topology(
                            sources.stream()
                                    .filter(s -> root(part, s.name()).equals(r))
                                    .toList(),
                            filters.stream()
                                    .filter(f -> root(part, f.name()).equals(r))
                                    .toList(),
                            sinks.stream()
                                    .filter(s -> root(part, s.name()).equals(r))
                                    .toList(),
                            drainTimeout,
                            pekko));
        }
        return List.copyOf(parts.values());
    }

    private static String root(Map<String, String> part, String name) {
        String at = name;
        for (String next = part.getOrDefault(at, at); !next.equals(at); next = part.getOrDefault(at, at)) {
            at = next;
        }
        return at;
    }
}
