// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.metrics.DeviceCounts;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.topology.Topology;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import java.io.DataInputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Topologies of any shape: sources, filters and sinks joined at random, sinks that are fast or slow, that wait or drop.
 * What must reach each sink is worked out beforehand, frame by frame and byte by byte.
 */
class ShapesIT {

    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final int FRAMES = 150;
    private static final int BUFFER_BYTES = 16 << 10;

    /** A filter, as the file has it, and what it makes of a stream. */
    private sealed interface Node {
        String settings();

        List<Part> of(List<Part> frames);
    }

    private record Window(int offset, int length, int every) implements Node {
        @Override
        public String settings() {
            return "type = window, offset = %d, length = %d, every = %d".formatted(offset, length, every);
        }

        @Override
        public List<Part> of(List<Part> frames) {
            return frames.stream()
                    .map(frame -> Shape.cut(frame, this))
                    .filter(frame -> frame.bytes() > 0)
                    .toList();
        }
    }

    private record Every(int frames) implements Node {
        @Override
        public String settings() {
            return "type = every, frames = %d".formatted(frames);
        }

        @Override
        public List<Part> of(List<Part> seen) {
            return IntStream.range(0, seen.size())
                    .filter(i -> i % frames == 0)
                    .mapToObj(seen::get)
                    .toList();
        }
    }

    /** Makes frames wait, and keeps everything: of eight bytes that follow each other one is above 0, but in word 0. */
    private record LookBack(int before) implements Node {
        @Override
        public String settings() {
            return "type = threshold, format = u8, above = 0, before = %d, after = 8".formatted(before);
        }

        @Override
        public List<Part> of(List<Part> frames) {
            return frames;
        }
    }

    private record Source(String name, int buffers, long seed) {}

    private record Sink(String name, String type, boolean slow, String whenFull, int firstStreamId, List<String> from) {
        boolean tcp() {
            return type.equals("tcp");
        }
    }

    /** A frame as it should come, or came: the parts of the source's stream in it. */
    private record Part(long sequence, List<long[]> ranges) {
        long bytes() {
            return ranges.stream().mapToLong(range -> range[1] - range[0]).sum();
        }
    }

    /** What a receiver saw of one stream. */
    private static final class Received {
        private final List<Long> sequences = new ArrayList<>();
        private final List<Long> offsets = new ArrayList<>();
        private final List<byte[]> payloads = new ArrayList<>();
        private final List<Long> lost = new ArrayList<>();
        private long lostAtEnd = -1;
    }

    /** A topology made from a seed. */
    private static final class Shape {
        private final List<Source> sources = new ArrayList<>();
        private final Map<String, Node> filters = new LinkedHashMap<>();
        private final Map<String, List<String>> from = new LinkedHashMap<>();
        private final List<Sink> sinks = new ArrayList<>();

        Shape(Random random) {
            List<String> takeable = new ArrayList<>();
            for (int i = 0; i < 1 + random.nextInt(3); i++) {
                sources.add(new Source("src" + i, 24 + random.nextInt(9), random.nextLong()));
                takeable.add("src" + i);
            }
            for (int i = 0; i < random.nextInt(6); i++) {
                int every = 8 * (1 + random.nextInt(400));
                int length = 8 * (1 + random.nextInt(every / 8));
                String name = "win" + i;
                filters.put(
                        name,
                        switch (random.nextInt(5)) {
                            case 0 -> new Every(1 + random.nextInt(4));
                            case 1 -> new LookBack(16 + random.nextInt(BUFFER_BYTES));
                            default -> new Window(8 * random.nextInt(300), length, every);
                        });
                from.put(name, some(random, takeable));
                takeable.add(name);
            }
            List<String> unused = new ArrayList<>(takeable);
            from.values().forEach(unused::removeAll);
            int count = 1 + random.nextInt(5);
            for (int i = 0; i < count; i++) {
                List<String> takes = new ArrayList<>(some(random, takeable));
                if (i == count - 1) {
                    unused.removeAll(takes);
                    takes.addAll(unused);
                }
                unused.removeAll(takes);
                String whenFull =
                        List.of("block", "block", "drop-newest", "drop-oldest").get(random.nextInt(4));
                String type =
                        List.of("tcp", "tcp", "tcp", "tcp", "discard", "file").get(random.nextInt(6));
                sinks.add(new Sink("out" + i, type, random.nextBoolean(), whenFull, 10 * i, takes));
                from.put("out" + i, takes);
            }
        }

        private static List<String> some(Random random, List<String> names) {
            List<String> left = new ArrayList<>(names);
            List<String> some = new ArrayList<>();
            for (int i = 0; i < 1 + random.nextInt(Math.min(3, names.size())); i++) {
                some.add(left.remove(random.nextInt(left.size())));
            }
            return some;
        }

        String text(Map<String, Integer> ports, Path folder) {
            StringBuilder text = new StringBuilder("sluice {\n");
            for (Source source : sources) {
                text.append(
                        "sources.%s { type = simulated, buffer-size = %d, buffers = %d, frames = %d, seed = %d, short-frames = 0.3, poison = true }%n"
                                .formatted(source.name(), BUFFER_BYTES, source.buffers(), FRAMES, source.seed()));
            }
            filters.forEach((name, filter) -> text.append("filters.%s { from = [%s], %s }%n"
                    .formatted(name, String.join(", ", from.getOrDefault(name, List.of())), filter.settings())));
            for (Sink sink : sinks) {
                text.append("sinks.%s { from = [%s], when-full = %s, queue = 2%n"
                        .formatted(sink.name(), String.join(", ", sink.from()), sink.whenFull()));
                text.append(
                        switch (sink.type()) {
                            case "tcp" ->
                                "  type = tcp, connect = \"127.0.0.1:%d\", stream-id = %d, send-buffer = 32KiB, peer-timeout = 5 minutes }%n"
                                        .formatted(ports.get(sink.name()), sink.firstStreamId());
                            case "file" -> "  type = file, path = \"%s\" }%n".formatted(folder.resolve(sink.name()));
                            default -> "  type = discard }\n";
                        });
            }
            return text.append("}\n").toString();
        }

        /** The frames of a source, whole: as the simulated device makes them from its seed. */
        private static List<Part> made(Source source) {
            Random random = new Random(source.seed());
            List<Part> frames = new ArrayList<>();
            long position = 0;
            for (int i = 0; i < FRAMES; i++) {
                boolean cut = random.nextDouble() < 0.3;
                long bytes = cut ? 8 * random.nextLong(1, BUFFER_BYTES / 8 + 1) : BUFFER_BYTES;
                frames.add(new Part(i, List.<long[]>of(new long[] {position, position + bytes})));
                position += bytes;
            }
            return frames;
        }

        /** What must come to the end of a way, if nothing is dropped. */
        List<Part> expected(List<String> way) {
            Source source = sources.stream()
                    .filter(s -> s.name().equals(way.getFirst()))
                    .findFirst()
                    .orElseThrow();
            List<Part> frames = made(source);
            for (String node : way) {
                Node filter = filters.get(node);
                if (filter != null) {
                    frames = filter.of(frames);
                }
            }
            return frames;
        }

        private static Part cut(Part frame, Window window) {
            List<long[]> kept = new ArrayList<>();
            for (long start = window.offset(); start < frame.bytes(); start += window.every()) {
                long seen = 0;
                long end = Math.min(start + window.length(), frame.bytes());
                for (long[] range : frame.ranges()) {
                    long length = range[1] - range[0];
                    long from = Math.max(start, seen);
                    long to = Math.min(end, seen + length);
                    if (from < to) {
                        kept.add(new long[] {range[0] + from - seen, range[0] + to - seen});
                    }
                    seen += length;
                }
            }
            return new Part(frame.sequence(), kept);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19})
    void everyFrameReachesExactlyTheSinksItShould(int number, @TempDir Path folder) throws Exception {
        System.out.println("seed " + SEED + ", shape " + number);
        Shape shape = new Shape(new Random(SEED + number));
        Map<String, ServerSocket> servers = new HashMap<>();
        Map<String, CompletableFuture<Map<Integer, Received>>> received = new HashMap<>();
        Map<String, Integer> ports = new HashMap<>();
        try {
            for (Sink sink : shape.sinks) {
                if (sink.tcp()) {
                    ServerSocket server = new ServerSocket();
                    server.setReceiveBufferSize(32 << 10);
                    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
                    servers.put(sink.name(), server);
                    ports.put(sink.name(), server.getLocalPort());
                    received.put(sink.name(), receive(server, sink.slow()));
                }
            }
            String text = shape.text(ports, folder);
            Topology topology = TopologyTexts.valid(text);
            PipelineSystem system = PipelineSystem.start(topology);
            Outcome outcome = system.outcome().get(2, TimeUnit.MINUTES);

            assertThat(outcome.failure()).as(text).isNull();
            for (Source source : shape.sources) {
                DeviceCounts device = system.counters().source(source.name()).device();
                assertThat(device.lent()).as(text).isZero();
                assertThat(device.free()).as(text).isEqualTo(source.buffers());
                assertThat(device.lostBytes()).as(text).isZero();
            }
            for (Sink sink : shape.sinks) {
                SinkCounters counters = system.counters().sink(sink.name());
                Map<Integer, Received> streams =
                        sink.tcp() ? received.get(sink.name()).get(1, TimeUnit.MINUTES) : Map.of();
                check(text, shape, topology, sink, counters, streams);
                if (sink.type().equals("file") && topology.streams(sink.name()).size() == 1) {
                    checkFile(text, shape, topology, sink, Files.readAllBytes(folder.resolve(sink.name())));
                }
            }
        } finally {
            for (ServerSocket server : servers.values()) {
                server.close();
            }
        }
    }

    /** Each holds a buffer at least; together they must leave some to the source. */
    @Test
    void filtersThatLookBackShareWhatTheRingCanSpare() throws Exception {
        StringBuilder filters = new StringBuilder();
        String before = "src";
        for (int i = 0; i < 4; i++) {
            filters.append("filters.f%d { type = threshold, from = %s, above = -1, below = -1, before = 1KiB }%n"
                    .formatted(i, before));
            before = "f" + i;
        }
        String text = "sluice {\nsources.src { type = simulated, buffer-size = 4KiB, buffers = %d, frames = 1000 }\n"
                + filters + "sinks.out { type = discard, from = " + before + " }\n}\n";
        PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(text.formatted(8)));
        assertThat(system.outcome().get(1, TimeUnit.MINUTES).failure()).isNull();
        assertThat(system.counters().sink("out").kept.value()).isEqualTo(1000 * 4096);

        PipelineSystem tooFew = PipelineSystem.start(TopologyTexts.valid(text.formatted(4)));
        assertThat(tooFew.outcome().get(1, TimeUnit.MINUTES).failure()).hasMessageContaining("give it at least 8");
    }

    /** What the queue in between is asked for does not reach the device, which must have its buffers all the same. */
    @Test
    void twoBuffersAreEnoughForASinkThatDrops() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Map<Integer, Received>> received = receive(server, false);
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid("""
                    sluice {
                      sources.src { type = simulated, buffer-size = 4KiB, buffers = 2, frames = 20000 }
                      sinks.out { type = tcp, from = src, connect = "127.0.0.1:%d", peer-timeout = 5 minutes, transport = copy
                                  when-full = drop-newest, queue = 1 }
                      sinks.beside { type = discard, from = src }
                    }
                    """.formatted(server.getLocalPort())));
            assertThat(system.outcome().get(1, TimeUnit.MINUTES).failure()).isNull();
            assertThat(system.counters().sink("beside").framesSent.value()).isEqualTo(20000);
            assertThat(received.get(1, TimeUnit.MINUTES)).hasSize(1);
        }
    }

    /** A chain of filters as long as a file may be confused, and sinks by the hundred. */
    @Test
    void aThousandNodesRun() throws Exception {
        StringBuilder text = new StringBuilder("sluice {\n");
        text.append("sources.src { type = simulated, buffer-size = 4KiB, buffers = 4, frames = 50 }\n");
        String before = "src";
        for (int i = 0; i < 400; i++) {
            text.append("filters.f%d { type = window, from = %s, length = 8, every = 8 }%n".formatted(i, before));
            before = "f" + i;
        }
        for (int i = 0; i < 599; i++) {
            text.append("sinks.s%d { type = discard, from = %s }%n".formatted(i, before));
        }
        PipelineSystem system =
                PipelineSystem.start(TopologyTexts.valid(text.append("}\n").toString()));
        assertThat(system.outcome().get(2, TimeUnit.MINUTES).failure()).isNull();
        assertThat(system.counters().sinks()).hasSize(599);
        assertThat(system.counters().sinks().values()).allSatisfy(sink -> {
            assertThat(sink.framesSent.value()).isEqualTo(50);
            assertThat(sink.kept.value()).isEqualTo(50 * 4096);
        });
        assertThat(system.counters().source("src").device().free()).isEqualTo(4);
    }

    private static void check(
            String text,
            Shape shape,
            Topology topology,
            Sink sink,
            SinkCounters counters,
            Map<Integer, Received> streams) {
        List<Topology.Stream> ways = topology.streams(sink.name());
        long expectedFrames = 0;
        long expectedBytes = 0;
        long missingFrames = 0;
        long missingBytes = 0;
        for (int i = 0; i < ways.size(); i++) {
            List<Part> expected = shape.expected(ways.get(i).nodes());
            expectedFrames += expected.size();
            expectedBytes += expected.stream().mapToLong(Part::bytes).sum();
            if (!sink.tcp()) {
                continue;
            }
            Received seen = streams.get(sink.firstStreamId() + i);
            assertThat(seen).as("stream %d of %s%n%s", i, sink, text).isNotNull();
            int next = 0;
            for (int frame = 0; frame < seen.sequences.size(); frame++) {
                long skipped = 0;
                while (expected.get(next).sequence() != seen.sequences.get(frame)) {
                    skipped += expected.get(next++).bytes();
                    missingFrames++;
                }
                Part part = expected.get(next++);
                missingBytes += skipped;
                assertThat(seen.lost.get(frame))
                        .as("lost before a frame, %s%n%s", sink, text)
                        .isEqualTo(skipped);
                assertThat(seen.offsets.get(frame)).isEqualTo(part.ranges().getFirst()[0]);
                assertThat(seen.payloads.get(frame))
                        .as("payload, %s%n%s", sink, text)
                        .isEqualTo(pattern(part));
            }
            long atEnd = 0;
            for (; next < expected.size(); next++) {
                atEnd += expected.get(next).bytes();
                missingFrames++;
            }
            missingBytes += atEnd;
            assertThat(seen.lostAtEnd).as("lost at the end, %s%n%s", sink, text).isEqualTo(atEnd);
        }
        if (sink.tcp()) {
            assertThat(streams).as("streams of %s%n%s", sink, text).hasSize(ways.size());
            assertThat(counters.framesDropped.value()).as("%s%n%s", sink, text).isEqualTo(missingFrames);
            assertThat(counters.dropped.value()).as("%s%n%s", sink, text).isEqualTo(missingBytes);
        }
        if (sink.whenFull().equals("block")) {
            assertThat(counters.framesDropped.value()).isZero();
        }
        assertThat(counters.framesSent.value() + counters.framesDropped.value())
                .as("%s%n%s", sink, text)
                .isEqualTo(expectedFrames);
        assertThat(counters.kept.value() + counters.dropped.value())
                .as("%s%n%s", sink, text)
                .isEqualTo(expectedBytes);
    }

    /** Of one stream, in its order; frames that were dropped are missing whole. */
    private static void checkFile(String text, Shape shape, Topology topology, Sink sink, byte[] content) {
        int at = 0;
        for (Part part : shape.expected(topology.streams(sink.name()).getFirst().nodes())) {
            byte[] frame = pattern(part);
            if (at + frame.length <= content.length
                    && Arrays.equals(content, at, at + frame.length, frame, 0, frame.length)) {
                at += frame.length;
            } else {
                assertThat(sink.whenFull())
                        .as("a frame is missing in %s%n%s", sink, text)
                        .startsWith("drop");
            }
        }
        assertThat(at).as("bytes of %s that are frames%n%s", sink, text).isEqualTo(content.length);
    }

    private static byte[] pattern(Part part) {
        ByteBuffer bytes = ByteBuffer.allocate((int) part.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (long[] range : part.ranges()) {
            for (long at = range[0]; at < range[1]; at += 8) {
                bytes.putLong(at / 8);
            }
        }
        return bytes.array();
    }

    private static CompletableFuture<Map<Integer, Received>> receive(ServerSocket server, boolean slow) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try (Socket socket = server.accept()) {
                        int count = Greeting.answer(socket);
                        Map<Integer, Received> received =
                                read(new DataInputStream(socket.getInputStream()), count, slow);
                        Greeting.finish(socket, received.keySet());
                        socket.getInputStream().readNBytes(Header.BYTES); // BYE
                        return received;
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                },
                task -> Thread.ofPlatform().daemon().start(task));
    }

    private static Map<Integer, Received> read(DataInputStream in, int count, boolean slow) throws IOException {
        Map<Integer, Received> streams = new HashMap<>();
        byte[] bytes = new byte[Header.BYTES];
        Header header = new Header(MemorySegment.ofArray(bytes));
        int ended = 0;
        while (ended < count && in.readNBytes(bytes, 0, bytes.length) == bytes.length) {
            header.validate(Greeting.FROM_SENDER);
            if (header.type() == Header.TYPE_KEEP_ALIVE) {
                continue;
            }
            Received stream = streams.computeIfAbsent(header.stream(), id -> new Received());
            if (header.type() == Header.TYPE_END) {
                stream.lostAtEnd = header.lostBytes();
                ended++;
                continue;
            }
            byte[] payload = in.readNBytes((int) header.payloadBytes());
            stream.sequences.add(header.sequence());
            stream.offsets.add(header.sourceOffset());
            stream.lost.add(header.lostBytes());
            stream.payloads.add(payload);
            if (slow && header.sequence() % 3 == 0) {
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(2));
            }
        }
        return streams;
    }
}
