// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.device.Pattern;
import dev.sluice.faults.Direction;
import dev.sluice.faults.Fault;
import dev.sluice.faults.FaultProxy;
import dev.sluice.faults.Planned;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import dev.sluice.wire.Place;
import dev.sluice.wire.Progress;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code delivery = resume}: whatever becomes of connections, nothing is lost, repeated or wrong at the receiver. */
@Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ResumeIT {

    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final int BUFFERS = 32;
    private static final long BUFFER_BYTES = 64 << 10;

    @TempDir
    private Path folder;

    private static Receiver receiver(Path record) throws IOException {
        return receiver(ANY_PORT, record);
    }

    private static Receiver receiver(InetSocketAddress listen, Path record) throws IOException {
        return new Receiver(listen, new Receiver.Options(Framing.SLUICE, true, record, true));
    }

    private static CompletableFuture<Report> receive(Receiver receiver) {
        CompletableFuture<Report> report = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> report.complete(receiver.receive()));
        return report;
    }

    private static void stop(Receiver receiver) throws IOException {
        receiver.close();
    }

    private static String source(String settings) {
        return "sources.fpga { type = simulated, poison = true, buffer-size = 64KiB, buffers = " + BUFFERS + ", seed = "
                + SEED + ", " + settings + " }\n";
    }

    private static String sink(int port, String from, String settings) {
        return "sinks.out { type = tcp, from = " + from + ", connect = \"127.0.0.1:" + port
                + "\", reconnect-min = 5ms, reconnect-max = 50ms, delivery = resume, " + settings + " }\n";
    }

    private static PipelineSystem start(String... parts) throws Exception {
        System.out.println("seed " + SEED);
        return PipelineSystem.start(TopologyTexts.valid("sluice {\n" + String.join("", parts) + "}\n"));
    }

    private static void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
    }

    private static Outcome wellEnded(PipelineSystem system) {
        Outcome outcome = system.outcome().join();
        assertThat(outcome.failure()).as("seed %d: %s", SEED, outcome).isNull();
        assertThat(outcome.exitCode()).isZero();
        everyBufferIsBack(system);
        assertThat(system.counters().source("fpga").framesGivenBack.value()).isZero();
        return outcome;
    }

    private static void everyBufferIsBack(PipelineSystem system) {
        assertThat(system.counters().source("fpga").device().lent())
                .as("seed %d", SEED)
                .isZero();
        assertThat(system.counters().source("fpga").stuckBuffers.value()).isZero();
    }

    /** Received and announced as lost is all that was produced, and nothing was wrong or missing otherwise. */
    private static void assertWhole(PipelineSystem system, Report report) {
        assertThat(report.problem()).as("seed %d: %s", SEED, report).isEmpty();
        assertThat(report.wrongBytes()).as("seed %d: %s", SEED, report).isZero();
        assertThat(report.skippedBytes()).as("seed %d: %s", SEED, report).isZero();
        assertThat(report.frames())
                .as("seed %d: %s", SEED, report)
                .isEqualTo(system.counters().source("fpga").frames.value());
        assertThat(report.bytes())
                .as("seed %d: %s", SEED, report)
                .isEqualTo(system.counters().source("fpga").acquired.value());
        assertThat(report.lostBytes())
                .as("seed %d: %s", SEED, report)
                .isEqualTo(system.counters().source("fpga").device().lostBytes());
    }

    @ParameterizedTest
    @ValueSource(strings = {"copy", "zerocopy", "uring", "splice"})
    void nothingIsLostOrRepeatedOverConnectionsThatBreakAgainAndAgain(String transport) throws Exception {
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = new FaultProxy(
                        receiver.address(),
                        SEED,
                        Planned.every(4 << 20, Direction.TO_TARGET, new Fault.Reset()),
                        Planned.every(2 << 20, Direction.TO_TARGET, new Fault.Stall(Duration.ofMillis(30))),
                        Planned.every(3 << 10, Direction.TO_CLIENT, new Fault.Reset()))) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = start(
                    source("frames = 3000, short-frames = 0.3"),
                    sink(
                            proxy.address().getPort(),
                            "fpga",
                            "transport = " + transport + ", zerocopy-threshold = 0, plain-after-copied = 0"));
            wellEnded(system);
            assertWhole(system, report.join());
            assertThat(report.join().frames()).isEqualTo(3000);
            assertThat(proxy.count(Fault.Reset.class)).as("seed %d", SEED).isGreaterThan(10);
            assertThat(system.counters().sink("out").framesRepeated.value()).isPositive();
            assertThat(system.counters().sink("out").framesSent.value()).isEqualTo(3000);
        }
    }

    @Test
    void aLineThatIsDeadIsFoundOutAndReplaced() throws Exception {
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = new FaultProxy(receiver.address(), SEED)) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = start(
                    source("frames = 600, rate = 20MB"),
                    sink(proxy.address().getPort(), "fpga", "peer-timeout = 300ms, handshake-timeout = 300ms"));
            for (int i = 1; i <= 3; i++) {
                long before = system.counters().sink("out").framesSent.value();
                await(() -> system.counters().sink("out").framesSent.value() > before + 20);
                proxy.blackHole();
                int connections = i;
                await(() -> system.counters().sink("out").reconnects.value() >= connections);
            }
            wellEnded(system);
            assertWhole(system, report.join());
            assertThat(report.join().connections()).isGreaterThan(3);
        }
    }

    @Test
    void whatIsCorruptedOnTheWayIsSentAgain() throws Exception {
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = new FaultProxy(
                        receiver.address(),
                        SEED,
                        Planned.every(5 << 20, Direction.TO_TARGET, new Fault.Corrupt(3)),
                        Planned.every(8 << 10, Direction.TO_CLIENT, new Fault.Corrupt(1)))) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = start(
                    source("frames = 2000"),
                    sink(proxy.address().getPort(), "fpga", "checksums = true, peer-timeout = 1s"));
            wellEnded(system);
            assertWhole(system, report.join());
            assertThat(proxy.count(Fault.Corrupt.class)).as("seed %d", SEED).isGreaterThan(5);
            assertThat(report.join().corrupt()).isPositive();
        }
    }

    @Test
    void aReceiverThatIsStartedAgainGoesOnWithItsRecord() throws Exception {
        Path file = folder.resolve("record");
        Random random = new Random(SEED);
        try (FaultProxy proxy = new FaultProxy(ANY_PORT, SEED)) {
            PipelineSystem system = start(
                    source("frames = 3000"),
                    sink(proxy.address().getPort(), "fpga", "peer-timeout = 2s, handshake-timeout = 500ms"));
            Report last = null;
            int starts = 0;
            while (last == null || !last.problem().isEmpty()) {
                try (Receiver receiver = receiver(file)) {
                    starts++;
                    proxy.target(receiver.address());
                    CompletableFuture<Report> report = receive(receiver);
                    long stop = random.nextLong(1 << 20, 30 << 20);
                    await(() -> report.isDone() || receiver.bytes() > stop);
                    proxy.target(new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
                    if (!report.isDone()) {
                        stop(receiver); // and its file, wherever it was
                        proxy.cut();
                    }
                    last = report.join();
                }
            }
            wellEnded(system);
            assertThat(starts).isGreaterThan(2);
            assertThat(last.frames()).isEqualTo(3000);
            assertThat(last.skippedBytes()).isZero();
            assertPattern(file, 3000 * BUFFER_BYTES);
        }
    }

    private static void assertPattern(Path file, long bytes) throws IOException {
        assertThat(Files.size(file)).isEqualTo(bytes);
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer words =
                    channel.map(FileChannel.MapMode.READ_ONLY, 0, bytes).order(ByteOrder.LITTLE_ENDIAN);
            for (int at = 0; at < bytes; at += Long.BYTES) {
                if (words.getLong(at) != Pattern.word(at)) {
                    assertThat(words.getLong(at)).as("word at %d", at).isEqualTo(Pattern.word(at));
                }
            }
        }
    }

    /** So slow that a source of 100 MB/s overruns its ring. */
    private static FaultProxy slowAndBreaking(Receiver receiver) throws IOException {
        return new FaultProxy(
                receiver.address(),
                SEED,
                Planned.every(4 << 20, Direction.TO_TARGET, new Fault.Stall(Duration.ofMillis(200))),
                Planned.every(10 << 20, Direction.TO_TARGET, new Fault.Reset()));
    }

    @Test
    void whatDoesNotFitTheRingIsAnnouncedToTheByte() throws Exception {
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = slowAndBreaking(receiver)) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = start(
                    source("frames = 1500, rate = 100MB, short-frames = 0.2"),
                    sink(proxy.address().getPort(), "fpga", "send-buffer = 64KiB"));
            wellEnded(system);
            assertWhole(system, report.join());
            assertThat(report.join().lostBytes()).as("seed %d", SEED).isPositive();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"drop-newest", "drop-oldest"})
    void whatIsDroppedIsAnnouncedToTheByteAndTheOtherBranchGoesOn(String whenFull) throws Exception {
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = slowAndBreaking(receiver)) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = start(
                    source("frames = 4000, rate = 100MB"),
                    "sinks.rest { type = discard, from = fpga }\n",
                    sink(proxy.address().getPort(), "fpga", "send-buffer = 64KiB, when-full = " + whenFull));
            wellEnded(system);
            Report received = report.join();
            assertThat(received.problem()).isEmpty();
            assertThat(received.wrongBytes()).isZero();
            assertThat(received.skippedBytes()).as("seed %d", SEED).isZero();
            long dropped = system.counters().sink("out").dropped.value();
            assertThat(dropped).as("seed %d", SEED).isPositive();
            assertThat(received.lostBytes())
                    .isEqualTo(
                            dropped + system.counters().source("fpga").device().lostBytes());
            assertThat(received.bytes() + dropped)
                    .isEqualTo(system.counters().source("fpga").acquired.value());
            assertThat(system.counters().sink("rest").framesSent.value()).isEqualTo(4000);
        }
    }

    @Test
    void withLiveDeliveryWhatABrokenConnectionLostIsAnnouncedToTheByte() throws Exception {
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = new FaultProxy(
                        receiver.address(),
                        SEED,
                        Planned.every(4 << 20, Direction.TO_TARGET, new Fault.Reset())
                                .atMost(20),
                        Planned.every(2 << 20, Direction.TO_TARGET, new Fault.Stall(Duration.ofMillis(50))))) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = start(
                    source("frames = 3000, short-frames = 0.3, rate = 200MB"),
                    sink(proxy.address().getPort(), "fpga", "").replace("resume", "live"));
            system.outcome().join();
            Report received = report.join();
            assertThat(received.problem()).isEmpty();
            assertThat(received.wrongBytes()).isZero();
            assertThat(received.skippedBytes())
                    .as("seed %d: %s", SEED, received)
                    .isZero();
            long undelivered = system.counters().sink("out").undelivered.value();
            assertThat(undelivered).as("seed %d", SEED).isPositive();
            assertThat(received.bytes())
                    .isEqualTo(system.counters().source("fpga").acquired.value() - undelivered);
            assertThat(received.lostBytes())
                    .isEqualTo(undelivered
                            + system.counters().source("fpga").device().lostBytes());
            everyBufferIsBack(system);
        }
    }

    /** Of two connections on which no frame arrives whole the receiver knows nothing; what they took is told to it on the third. */
    @Test
    void withLiveDeliveryWhatWasLostBeforeAnythingCameIsAnnounced() throws Exception {
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = new FaultProxy(
                        receiver.address(),
                        SEED,
                        Planned.after(2000, Direction.TO_TARGET, new Fault.BlackHole())
                                .atMost(2))) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = start(
                    source("frames = 500"),
                    sink(proxy.address().getPort(), "fpga", "delivery = live, peer-timeout = 300ms"));
            Outcome outcome = system.outcome().join();
            assertThat(outcome.failure()).as("seed %d: %s", SEED, outcome).isNull();
            Report received = report.join();
            assertThat(received.problem()).as("seed %d: %s", SEED, received).isEmpty();
            assertThat(received.skippedBytes())
                    .as("seed %d: %s", SEED, received)
                    .isZero();
            assertThat(received.bytes() + received.lostBytes())
                    .as("seed %d: %s", SEED, received)
                    .isEqualTo(500L << 16);
            assertThat(received.lostBytes()).as("seed %d: %s", SEED, received).isPositive();
        }
    }

    @Test
    void aChangeWhileTheReceiverIsAwayLosesNothing() throws Exception {
        Random random = new Random(SEED);
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = new FaultProxy(receiver.address(), SEED)) {
            CompletableFuture<Report> report = receive(receiver);
            String source = source("frames = 3000, rate = 40MB");
            String sink = sink(proxy.address().getPort(), "fpga", "peer-timeout = 1s");
            String limit = "drain-timeout = 50ms\n";
            PipelineSystem system = start(limit, source, sink);
            for (int change = 0; change < 10; change++) {
                long before = system.counters().sink("out").framesSent.value();
                await(() -> system.outcome().isDone()
                        || system.counters().sink("out").framesSent.value() > before + 50);
                proxy.target(new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
                if (random.nextBoolean()) {
                    proxy.cut();
                } else {
                    proxy.blackHole();
                }
                String more = change % 2 == 0 ? "sinks.more { type = discard, from = fpga }\n" : "";
                system.change(TopologyTexts.valid("sluice {\n" + limit + source + sink + more + "}\n"));
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(random.nextInt(200)));
                proxy.target(receiver.address());
            }
            Outcome outcome = system.outcome().join();
            assertThat(outcome.failure()).as("seed %d: %s", SEED, outcome).isNull();
            everyBufferIsBack(system);
            assertThat(system.counters().source("fpga").framesGivenBack.value()).isZero();
            assertWhole(system, report.join());
        }
    }

    @Test
    void aFilteredStreamIsTheSameOverBrokenConnections() throws Exception {
        Path broken = folder.resolve("broken");
        Path whole = folder.resolve("whole");
        for (Path file : new Path[] {whole, broken}) {
            Planned[] faults = file.equals(whole)
                    ? new Planned[0]
                    : new Planned[] {Planned.every(1 << 20, Direction.TO_TARGET, new Fault.Reset())};
            try (Receiver receiver = receiver(file);
                    FaultProxy proxy = new FaultProxy(receiver.address(), SEED, faults)) {
                CompletableFuture<Report> report = receive(receiver);
                PipelineSystem system = start(
                        source("frames = 1000, short-frames = 0.5"),
                        "filters.w { type = window, from = fpga, offset = 8, length = 4KiB, every = 10000 }\n",
                        "filters.e { type = every, from = w, frames = 3 }\n",
                        sink(proxy.address().getPort(), "[w, e]", ""));
                wellEnded(system);
                assertThat(report.join().problem()).isEmpty();
                assertThat(report.join().wrongBytes()).isZero();
                assertThat(report.join().connections()).isGreaterThanOrEqualTo(file.equals(whole) ? 1 : 5);
            }
        }
        assertThat(Files.size(broken)).isEqualTo(Files.size(whole));
    }

    @Test
    void theSenderSaysByeWhenItHasHeardThatAllHasCome() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            PipelineSystem system =
                    start(source("frames = 3"), sink(server.getLocalPort(), "fpga", "checksums = true"));
            try (Socket socket = server.accept()) {
                Greeting.answer(socket);
                FramedStream stream = FramedStream.read(socket.getInputStream());
                assertThat(stream.end()).isEqualTo(FramedStream.End.ANNOUNCED);
                socket.setSoTimeout(300);
                assertThatThrownBy(() -> socket.getInputStream().read()).isInstanceOf(SocketTimeoutException.class);
                byte[] bytes = new byte[Header.BYTES];
                Header header = new Header(MemorySegment.ofArray(bytes));
                header.progress(
                        Header.TYPE_ACK,
                        0,
                        new Progress(false, true, new Place(3, stream.next()), stream.lostBytes(), stream.bytes()));
                socket.getOutputStream().write(bytes);
                socket.setSoTimeout(60_000);
                assertThat(socket.getInputStream().readNBytes(bytes, 0, Header.BYTES))
                        .isEqualTo(Header.BYTES);
                header.validate(1 << Header.TYPE_BYE);
                assertThat(socket.getInputStream().read()).isEqualTo(-1);
            }
            wellEnded(system);
        }
    }

    /** Also without acknowledgements of frames: whoever stands between them may have taken what the receiver never got. */
    @Test
    void anEndThatTheReceiverDidNotAcknowledgeIsAnnouncedAgain() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            PipelineSystem system = start(source("frames = 3"), sink(server.getLocalPort(), "fpga", "delivery = live"));
            FramedStream first;
            try (Socket socket = server.accept()) {
                Greeting.answer(socket);
                first = FramedStream.read(socket.getInputStream());
                assertThat(first.end()).isEqualTo(FramedStream.End.ANNOUNCED);
            }
            try (Socket socket = server.accept()) {
                Greeting.answer(socket, new Progress(false, false, new Place(3, first.next()), 0, first.bytes()));
                FramedStream again = FramedStream.read(socket.getInputStream());
                assertThat(again.end()).isEqualTo(FramedStream.End.ANNOUNCED);
                assertThat(again.frames()).isZero();
                Greeting.finish(socket, List.of(0));
                byte[] bytes = new byte[Header.BYTES];
                Header header = new Header(MemorySegment.ofArray(bytes));
                assertThat(socket.getInputStream().readNBytes(bytes, 0, Header.BYTES))
                        .isEqualTo(Header.BYTES);
                header.validate(1 << Header.TYPE_BYE);
            }
            wellEnded(system);
        }
    }

    @Test
    void drainingWithNobodyThereSaysWhatIsLeft() throws Exception {
        try (Receiver receiver = receiver(null);
                FaultProxy proxy = new FaultProxy(receiver.address(), SEED)) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = start(
                    "drain-timeout = 200ms\n",
                    source("rate = 20MB"),
                    sink(proxy.address().getPort(), "fpga", "transport = zerocopy, zerocopy-threshold = 0"));
            await(() -> receiver.bytes() > 4 << 20);
            proxy.target(new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
            proxy.cut();
            await(() -> system.counters().source("fpga").device().lostBytes() > 0);
            system.drain();
            Outcome outcome = system.outcome().join();
            assertThat(outcome.failure())
                    .hasMessageMatching("gave up draining after 200 ms: .*there was no connection to the receiver");
            assertThat(system.counters().source("fpga").framesGivenBack.value()).isPositive();
            everyBufferIsBack(system);
            stop(receiver);
            assertThat(report.join().wrongBytes()).isZero();
        }
    }
}
