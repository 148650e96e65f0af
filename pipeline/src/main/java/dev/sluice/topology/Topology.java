// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigValue;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.MappedDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.filter.Filter;
import dev.sluice.filter.Frame;
import dev.sluice.filter.Problems;
import dev.sluice.transport.RotatingFile;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Session;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.pekko.stream.javadsl.Flow;
import org.jspecify.annotations.Nullable;

/**
 * What is to run, as configured and checked: sources, filters and sinks, joined by the names that each takes frames from.
 * There are no cycles, every name exists, and every node is on a way from a source to a sink.
 *
 * <p>Frames never mix on their way: what comes to a node from several is several {@linkplain Stream streams}, up to the
 * sink. So a filter that takes from two nodes is two filters, and a sink numbers the streams that it is sent.
 *
 * @param tests what the filters must do, for whoever checks the file
 * @param warnings what is right, and may still not be meant
 * @param drainTimeout what stopping may take
 * @param restarts of sources and sinks that failed
 * @param pekko the file's own {@code pekko} section, with the defaults
 */
public record Topology(
        List<Source> sources,
        List<FilterNode> filters,
        List<Sink> sinks,
        List<FilterTest> tests,
        List<Problems.Problem> warnings,
        Duration drainTimeout,
        Restarts restarts,
        Config pekko) {

    /**
     * How often a source or a sink that failed is started again.
     *
     * @param most so often in {@code within}; what fails once more, or cannot be opened again for so long, ends the pipeline
     */
    public record Restarts(int most, Duration within, Backoff backoff) {}

    /**
     * What all nodes have.
     *
     * @param written the node's settings as the file has them, defaults left out
     * @param origin where it stands
     */
    public record Node(String name, ConfigValue written, ConfigOrigin origin) {
        /** Whether the file says the same of both, wherever it says it. */
        public boolean sameAs(Node other) {
            return name.equals(other.name) && written.equals(other.written);
        }
    }

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

    /** {@code type = mapped}. */
    public record Mapped(Node node, MappedDevice.Settings settings) implements Source {
        @Override
        public int buffers() {
            return settings.buffers();
        }
    }

    /** What stands between sources and sinks. */
    public sealed interface FilterNode {
        Node node();

        /** Nodes that it takes frames from. */
        List<String> from();

        default String name() {
            return node().name();
        }
    }

    /**
     * A filter of any type.
     *
     * @param maker makes a filter for each of its streams when the pipeline starts
     */
    public record OfFilter(Node node, List<String> from, Supplier<Filter> maker) implements FilterNode {}

    /**
     * A flow of any type.
     *
     * @param maker makes a flow for each of its streams when the pipeline starts
     */
    public record OfFlow(Node node, List<String> from, Function<Consumer<Frame>, Flow<Frame, Frame, ?>> maker)
            implements FilterNode {}

    /** Where frames go. */
    public sealed interface Sink {
        Input input();

        default Node node() {
            return input().node();
        }

        default String name() {
            return node().name();
        }

        /** How it speaks to its receivers; null if it has none. */
        default @Nullable Session session() {
            return null;
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

    /** {@code type = tcp}. */
    public sealed interface SocketSink extends Sink {
        @Override
        Session session();

        Transports.Options transport();
    }

    /**
     * {@code type = tcp} that connects.
     *
     * @param host a name or address, looked up at each attempt to connect
     */
    public record TcpSink(
            Input input,
            String host,
            int port,
            Session session,
            Transports.Options transport,
            Duration connectTimeout,
            Backoff backoff)
            implements SocketSink {}

    /**
     * {@code type = tcp} that is connected to.
     *
     * @param address an address of this machine, or the one that stands for all of them
     * @param port 0 takes any that is free
     * @param receivers most at once
     * @param allow where they may be; nothing means on this machine
     */
    public record ListenSink(
            Input input,
            InetAddress address,
            int port,
            int receivers,
            List<Cidr> allow,
            Session session,
            Transports.Options transport)
            implements SocketSink {

        /** Whether a receiver may be at this address. */
        public boolean allows(InetAddress peer) {
            return allow.isEmpty()
                    ? peer.isLoopbackAddress()
                    : allow.stream().anyMatch(network -> network.contains(peer));
        }
    }

    /** {@code type = file}. */
    public record FileSink(Input input, RotatingFile.Settings file, Framing framing) implements Sink {}

    /** {@code type = discard}. */
    public record DiscardSink(Input input) implements Sink {}

    /**
     * What must come of a small input.
     *
     * @param filters names, in the order in which frames pass them
     * @param frameBytes size of the frames that the input is cut into
     */
    public record FilterTest(Node node, Content input, int frameBytes, List<String> filters, Content output) {
        public String name() {
            return node.name();
        }
    }

    /** Bytes that a test is given, or that are expected of it. */
    public sealed interface Content {}

    /** All bytes of a file. */
    public record InFile(Path path) implements Content {}

    /** Bytes as written, two hexadecimal digits each. */
    public record Literal(String hex) implements Content {}

    /** Bytes of which only the SHA-256 is known, 64 hexadecimal digits. */
    public record Hashed(String sha256) implements Content {}

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

    /** This topology without some sinks, and without what only they took frames from. */
    public Topology without(Set<String> gone) {
        if (gone.isEmpty()) {
            return this;
        }
        List<Sink> left =
                sinks.stream().filter(sink -> !gone.contains(sink.name())).toList();
        Set<String> used = new HashSet<>();
        left.forEach(sink -> streams(sink.name()).forEach(stream -> used.addAll(stream.nodes())));
        return new Topology(
                sources.stream().filter(source -> used.contains(source.name())).toList(),
                filters.stream().filter(filter -> used.contains(filter.name())).toList(),
                left,
                tests,
                warnings,
                drainTimeout,
                restarts,
                pekko);
    }

    /** Whether the file says the same of every node of both. */
    public boolean sameAs(Topology other) {
        return nodes().equals(other.nodes());
    }

    /** What the file says of each node, by its name. */
    public Map<String, ConfigValue> nodes() {
        Map<String, ConfigValue> nodes = new LinkedHashMap<>();
        sources.forEach(source -> nodes.put(source.name(), source.node().written()));
        filters.forEach(filter -> nodes.put(filter.name(), filter.node().written()));
        sinks.forEach(sink -> nodes.put(sink.name(), sink.node().written()));
        return nodes;
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
                            List.of(),
                            List.of(),
                            drainTimeout,
                            restarts,
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
