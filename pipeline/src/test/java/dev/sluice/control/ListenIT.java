// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.metrics.Counter;
import dev.sluice.metrics.DeviceCounts;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.metrics.Summary;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Sinks that receivers connect to, come and go: each gets every frame while it is there, and every buffer comes back. */
class ListenIT {

    private static final int BUFFERS = 16;
    private static final int BUFFER_BYTES = 64 * 1024;
    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final Executor THREADS = task -> Thread.ofPlatform().daemon().start(task);

    private static PipelineSystem start(String source, String sink) {
        return PipelineSystem.start(TopologyTexts.valid("""
                sluice {
                  drain-timeout = 10s
                  sources { fpga {
                    type = simulated, poison = true, buffer-size = %d, buffers = %d, seed = %d, short-frames = 0.5, %s
                  } }
                  sinks { net { type = tcp, from = fpga, %s } }
                }
                """.formatted(BUFFER_BYTES, BUFFERS, SEED, source, sink)));
    }

    private static SinkCounters sink(PipelineSystem system) {
        return system.counters().sink("net");
    }

    /** Where the sink listens, as soon as it does. */
    private static int port(PipelineSystem system) {
        await(system, () -> !sink(system).listening().isEmpty());
        String address = sink(system).listening();
        return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    }

    private static void await(PipelineSystem system, BooleanSupplier condition) {
        long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        while (!condition.getAsBoolean()) {
            if (system.outcome().isDone()) {
                throw new AssertionError("ended too early: " + system.outcome().join());
            }
            assertThat(System.nanoTime()).as("in time").isLessThan(deadline);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
    }

    private static void await(PipelineSystem system, Counter counter, long least) {
        await(system, () -> counter.value() >= least);
    }

    private static Outcome wellEnded(PipelineSystem system) throws Exception {
        Outcome outcome = system.outcome().get(2, TimeUnit.MINUTES);
        assertThat(outcome.failure()).as("seed %d: %s", SEED, outcome).isNull();
        assertThat(outcome.exitCode()).as("seed %d: %s", SEED, outcome).isZero();
        everyBufferIsBack(system, outcome);
        assertEveryFrameWasLetGo(system);
        return outcome;
    }

    /** By the stages: at the end, what they forgot would be given back for them. */
    private static void assertEveryFrameWasLetGo(PipelineSystem system) {
        assertThat(system.counters().source("fpga").framesGivenBack.value()).isZero();
    }

    private static void everyBufferIsBack(PipelineSystem system, Outcome outcome) {
        DeviceCounts device = system.counters().source("fpga").device();
        assertThat(device.lent()).as("seed %d: %s", SEED, outcome).isZero();
        assertThat(device.free() + device.filled())
                .as("seed %d: %s", SEED, outcome)
                .isEqualTo(BUFFERS);
        assertThat(outcome.summary().ofSources(Summary.SourceSummary::stuckBuffers))
                .isZero();
        assertThat(outcome.summary().ofSinks(Summary.SinkSummary::unsettledBytes))
                .isZero();
    }

    /** Reads all that comes, in a thread of its own, until it is told to break off. */
    private static final class Client implements AutoCloseable {

        private final Socket socket;
        private final AtomicLong frames = new AtomicLong();
        private final CompletableFuture<FramedStream> stream;

        Client(int port) throws IOException {
            this(InetAddress.getLoopbackAddress(), port);
        }

        Client(InetAddress address, int port) throws IOException {
            this(new Socket(address, port));
        }

        private Client(Socket socket) throws IOException {
            this.socket = socket;
            stream = CompletableFuture.supplyAsync(this::read, THREADS);
        }

        private FramedStream read() {
            try {
                Greeting.answer(socket);
                FramedStream read = FramedStream.read(new BufferedInputStream(socket.getInputStream()), frames::set);
                if (read.end() == FramedStream.End.ANNOUNCED) {
                    Greeting.finish(socket, List.of(0));
                }
                return read;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Connects again and again until there is a slot for it. */
        static Client admitted(PipelineSystem system, int port) throws IOException {
            while (true) {
                Client client = new Client(port);
                await(system, () -> client.frames.get() > 0 || client.stream.isDone());
                if (client.frames.get() > 0) {
                    return client;
                }
                client.close();
            }
        }

        void awaitMore(PipelineSystem system, long more) {
            long wanted = frames.get() + more;
            await(system, () -> frames.get() >= wanted);
        }

        FramedStream stream() throws Exception {
            return stream.get(1, TimeUnit.MINUTES);
        }

        /** With a reset, and in the middle of a frame mostly. */
        void leave() throws IOException {
            socket.setSoLinger(true, 0);
            socket.close();
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    /** Nothing that was acquired since the receiver came is missing, and it was told that this is all. */
    private static void assertWhole(FramedStream stream, Outcome outcome) {
        Summary.SourceSummary source = outcome.summary().sources().getFirst();
        assertThat(stream.end()).as("%s", outcome).isEqualTo(FramedStream.End.ANNOUNCED);
        assertThat(stream.next()).isGreaterThanOrEqualTo(source.acquiredBytes());
        assertThat(stream.bytes()).isEqualTo(stream.next() - stream.first() - stream.lostBytes());
    }

    @ParameterizedTest
    @CsvSource({"1, copy", "1, zerocopy", "4, copy", "4, zerocopy"})
    void framesWaitForTheFirstReceiverWhichGetsThemAll(int receivers, String transport) throws Exception {
        PipelineSystem system = start(
                "frames = 500",
                "listen = \"127.0.0.1:0\", plain-after-copied = 0, zerocopy-threshold = 0, transport = " + transport
                        + ", receivers = " + receivers);
        int port = port(system);
        assertThat(system.counters().source("fpga").frames.value()).isZero();
        try (Client client = new Client(port)) {
            Outcome outcome = wellEnded(system);
            assertWhole(client.stream(), outcome);
            assertThat(client.stream().frames()).isEqualTo(500);
            assertThat(client.stream().first()).isZero();
            assertThat(outcome.summary().sinks().getFirst().framesSent()).isEqualTo(500);
            assertThat(outcome.summary().text()).contains("receivers    1 connected, 0 refused\n");
        }
    }

    @Test
    void everyReceiverGetsEveryFrameAndTheEnd() throws Exception {
        PipelineSystem system = start("rate = 20MB", "listen = \"localhost:0\", receivers = 3");
        int port = port(system);
        try (Client first = new Client(port)) {
            first.awaitMore(system, 10);
            try (Client second = new Client(port);
                    Client third = new Client(port)) {
                second.awaitMore(system, 10);
                third.awaitMore(system, 10);
                system.drain();
                Outcome outcome = wellEnded(system);
                for (Client client : List.of(first, second, third)) {
                    assertWhole(client.stream(), outcome);
                }
                assertThat(first.stream().first()).isZero();
                assertThat(second.stream().first()).isPositive();
                Summary.SinkSummary net = outcome.summary().sinks().getFirst();
                assertThat(net.receivers()).isEqualTo(3);
                assertThat(net.framesSent())
                        .isEqualTo(first.stream().frames()
                                + second.stream().frames()
                                + third.stream().frames());
            }
        }
    }

    @Test
    void oneThatLeavesMakesRoomForAnotherAndDisturbsNobody() throws Exception {
        PipelineSystem system = start("rate = 20MB", "listen = \"127.0.0.1:0\", receivers = 3");
        int port = port(system);
        try (Client first = new Client(port);
                Client second = new Client(port);
                Client leaver = new Client(port)) {
            leaver.awaitMore(system, 10);
            leaver.leave();
            first.awaitMore(system, 10);
            try (Client late = Client.admitted(system, port)) {
                late.awaitMore(system, 10);
                second.awaitMore(system, 10);
                system.drain();
                Outcome outcome = wellEnded(system);
                for (Client client : List.of(first, second, late)) {
                    assertWhole(client.stream(), outcome);
                }
                assertThat(late.stream().first()).isPositive();
                assertThat(outcome.summary().sinks().getFirst().receivers()).isEqualTo(4);
            }
        }
    }

    /** The device waits, so nothing is lost but what was under way to the one that left. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void framesWaitWhileNobodyIsConnectedAndTheNextReceiverGoesOn(int receivers) throws Exception {
        PipelineSystem system = start("rate = 0", "listen = \"127.0.0.1:0\", receivers = " + receivers);
        int port = port(system);
        try (Client leaver = new Client(port)) {
            leaver.awaitMore(system, 10);
            leaver.leave();
        }
        try (Client next = Client.admitted(system, port)) {
            next.awaitMore(system, 100);
            system.drain();
            Outcome outcome = wellEnded(system);
            assertWhole(next.stream(), outcome);
            assertThat(next.stream().first()).isPositive();
            Summary.SinkSummary net = outcome.summary().sinks().getFirst();
            assertThat(net.framesRepeated()).isLessThanOrEqualTo(receivers == 1 ? 1 : 0);
        }
    }

    @Test
    void drainingWithNobodyConnectedEndsWithoutSendingOrFailing() throws Exception {
        for (int receivers : new int[] {1, 3}) {
            PipelineSystem system = start("rate = 20MB", "listen = \"127.0.0.1:0\", receivers = " + receivers);
            port(system);
            system.drain();
            assertThat(wellEnded(system).summary().sinks().getFirst().sentBytes())
                    .isZero();
        }
    }

    @Test
    void aPeerThatIsNotAllowedIsClosedAndCounted() throws Exception {
        PipelineSystem system =
                start("rate = 20MB", "listen = \"127.0.0.1:0\", receivers = 2, allow = [\"192.0.2.0/24\"]");
        int port = port(system);
        try (Client stranger = new Client(port)) {
            assertThat(stranger.stream().frames()).isZero();
            assertThat(stranger.stream().end()).isEqualTo(FramedStream.End.BETWEEN_FRAMES);
        }
        await(system, sink(system).refused, 1);
        system.drain();
        Outcome outcome = wellEnded(system);
        assertThat(outcome.summary().sinks().getFirst().sentBytes()).isZero();
        assertThat(outcome.summary().text()).contains("receivers    0 connected, 1 refused\n");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void oneReceiverTooManyIsClosedAndCounted(int receivers) throws Exception {
        PipelineSystem system = start("rate = 20MB", "listen = \"127.0.0.1:0\", receivers = " + receivers);
        int port = port(system);
        List<Client> clients = new ArrayList<>();
        for (int i = 0; i < receivers; i++) {
            clients.add(new Client(port));
            clients.get(i).awaitMore(system, 1);
        }
        try (Client surplus = new Client(port)) {
            assertThat(surplus.stream().frames()).isZero();
        }
        clients.getFirst().awaitMore(system, 10);
        system.drain();
        Outcome outcome = wellEnded(system);
        for (Client client : clients) {
            assertWhole(client.stream(), outcome);
            client.close();
        }
        assertThat(outcome.summary().sinks().getFirst().refused()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"[::1]:0, '', ::1", "[::]:0, ', allow = [\"127.0.0.1\"]', 127.0.0.1"})
    void ipv6IsListenedOnAndAnIpv4PeerIsOneThereToo(String listen, String allow, String from) throws Exception {
        assumeTrue(hasIpv6(), "this machine has IPv6");
        PipelineSystem system = start("frames = 50", "listen = \"" + listen + "\"" + allow);
        try (Client client = new Client(InetAddress.ofLiteral(from), port(system))) {
            assertWhole(client.stream(), wellEnded(system));
        }
    }

    private static boolean hasIpv6() {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.ofLiteral("::1"))) {
            return probe.isBound();
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void anAddressThatIsInUseOrNotOfThisMachineIsOneSentence() throws Exception {
        try (ServerSocket other = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String address = "127.0.0.1:" + other.getLocalPort();
            assertThat(failure("listen = \"" + address + "\""))
                    .isEqualTo("net: cannot listen on " + address
                            + ": another program listens there, or on all addresses with that port");
        }
        assertThat(failure("listen = \"192.0.2.1:0\", allow = \"192.0.2.0/24\""))
                .isEqualTo("net: cannot listen on 192.0.2.1:0: this machine has no such address");
    }

    private static String failure(String sink) throws Exception {
        Outcome outcome = start("frames = 5", sink).outcome().get(1, TimeUnit.MINUTES);
        assertThat(outcome.started()).isFalse();
        assertThat(outcome.exitCode()).isEqualTo(1);
        assertThat(outcome.failure()).isNotNull();
        return String.valueOf(outcome.failure().getMessage());
    }

    @Test
    void anyProgramCanReadTheRawStream() throws Exception {
        PipelineSystem system = start("frames = 200", "listen = \"127.0.0.1:0\", receivers = 2, framing = raw");
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port(system));
                DataInputStream in = new DataInputStream(socket.getInputStream())) {
            byte[] all = in.readAllBytes();
            FramedStream.assertWords(all, 0);
            assertThat(wellEnded(system).summary().ofSources(Summary.SourceSummary::acquiredBytes))
                    .isEqualTo(all.length);
        }
    }

    @Test
    void whatWasDroppedWhileNobodyWasThereIsBehindAReceiverAndWhatIsDroppedLaterIsAnnounced() throws Exception {
        PipelineSystem system =
                start("rate = 100MB", "listen = \"127.0.0.1:0\", receivers = 2, when-full = drop-newest, queue = 1");
        int port = port(system);
        await(system, sink(system).framesDropped, 20);
        try (Client client = Client.admitted(system, port)) {
            client.awaitMore(system, 100);
            system.drain();
            assertWhole(client.stream(), wellEnded(system));
        }
    }

    @Test
    void severalSourcesGoToSeveralReceivers() throws Exception {
        PipelineSystem system = PipelineSystem.start(TopologyTexts.valid("""
                sluice {
                  sources {
                    fpga { type = simulated, poison = true, buffer-size = 64KiB, buffers = 16, rate = 10MB }
                    other { type = simulated, poison = true, buffer-size = 16KiB, buffers = 8, rate = 10MB }
                  }
                  sinks { net { type = tcp, from = [fpga, other], listen = "127.0.0.1:0", receivers = 2 } }
                }
                """));
        int port = port(system);
        Receiver.Options options = new Receiver.Options(Framing.SLUICE, true, null, false);
        try (Receiver first = Receiver.connecting("127.0.0.1", port, options);
                Receiver second = Receiver.connecting("127.0.0.1", port, options)) {
            List<CompletableFuture<Report>> reports = List.of(
                    CompletableFuture.supplyAsync(first::receive, THREADS),
                    CompletableFuture.supplyAsync(second::receive, THREADS));
            await(system, () -> first.bytes() > 1 << 20 && second.bytes() > 1 << 20);
            system.drain();
            Outcome outcome = wellEnded(system);
            for (CompletableFuture<Report> report : reports) {
                Report received = report.get(1, TimeUnit.MINUTES);
                assertThat(received.problem()).isEmpty();
                assertThat(received.wrongBytes()).isZero();
                assertThat(received.skippedBytes()).isZero();
                assertThat(received.verifiedBytes()).isEqualTo(received.bytes());
            }
            assertThat(outcome.summary().ofSinks(Summary.SinkSummary::framesSent))
                    .isEqualTo(reports.stream()
                            .mapToLong(report -> report.join().frames())
                            .sum());
        }
    }

    @Test
    void whatAFilterBreaksOffReachesEveryReceiverWithoutAnEnd() throws Exception {
        PipelineSystem system = PipelineSystem.start(TopologyTexts.valid("""
                sluice {
                  sources { fpga { type = simulated, buffer-size = 64KiB, buffers = 16, rate = 50MB } }
                  filters { odd { type = misbehaving, from = fpga, how = throws, in-frame = 300 } }
                  sinks { net { type = tcp, from = odd, listen = "127.0.0.1:0", receivers = 2 } }
                }
                """));
        int port = port(system);
        try (Client first = new Client(port);
                Client second = new Client(port)) {
            Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);
            assertThat(outcome.failure()).hasMessageContaining("filter odd");
            everyBufferIsBack(system, outcome);
            assertThat(first.stream().next()).isEqualTo(second.stream().next());
            assertThat(first.stream().end()).isEqualTo(FramedStream.End.BETWEEN_FRAMES);
            assertThat(Math.max(first.stream().frames(), second.stream().frames()))
                    .isEqualTo(300);
        }
    }

    /** Poisoned buffers, sends by reference, and receivers that break off at any time: none sees a wrong word. */
    @Test
    void receiversThatComeAndGoNeverSeeABufferThatWasGivenBack() throws Exception {
        PipelineSystem system = start(
                "rate = 0",
                "listen = \"127.0.0.1:0\", receivers = 4, transport = zerocopy, zerocopy-threshold = 0, "
                        + "plain-after-copied = 0");
        int port = port(system);
        Random random = new Random(SEED);
        List<Client> staying = new ArrayList<>();
        List<FramedStream> left = new ArrayList<>();
        staying.add(new Client(port));
        staying.getFirst().awaitMore(system, 1); // before anybody else is greeted
        for (int i = 0; i < 40; i++) {
            try (Client leaver = Client.admitted(system, port)) {
                leaver.awaitMore(system, random.nextInt(1, 30));
                if (random.nextBoolean()) {
                    leaver.leave();
                }
            }
            if (i == 20) {
                staying.add(Client.admitted(system, port));
            }
        }
        staying.getFirst().awaitMore(system, 100);
        system.drain();
        Outcome outcome = wellEnded(system);
        for (Client client : staying) {
            left.add(client.stream());
            assertWhole(client.stream(), outcome);
            client.close();
        }
        assertThat(left.getFirst().first()).isZero();
    }
}
