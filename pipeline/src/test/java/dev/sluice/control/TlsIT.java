// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.faults.Direction;
import dev.sluice.faults.Fault;
import dev.sluice.faults.FaultProxy;
import dev.sluice.faults.Planned;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Certificates;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.KeyFile;
import dev.sluice.wire.TlsFiles;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code tls}: nobody reads or changes what is sent, and only who is trusted gets it. */
@Timeout(value = 2, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class TlsIT {

    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final int FRAMES = 100;

    @TempDir
    private Path folder;

    private Certificates certificates;
    private Path authority;
    private TlsFiles receiver;
    private TlsFiles board;

    @BeforeEach
    void makeCertificates() throws IOException {
        certificates = new Certificates(folder);
        authority = certificates.authority("ca");
        receiver = certificates.end("receiver", "IP:127.0.0.1", "ca", "ec");
        board = certificates.end("board", "IP:127.0.0.1,DNS:localhost", "ca", "rsa");
    }

    private TlsFiles trusting(@Nullable TlsFiles shown, Path trust) {
        return shown == null
                ? new TlsFiles(null, null, trust)
                : new TlsFiles(shown.certificate(), shown.privateKey(), trust);
    }

    private static String tls(TlsFiles files) {
        String text = "";
        if (files.certificate() != null) {
            text += "certificate = \"" + files.certificate() + "\", private-key = \"" + files.privateKey() + "\", ";
        }
        if (files.trust() != null) {
            text += "trust = \"" + files.trust() + "\"";
        }
        return "tls { " + text + " }";
    }

    private static PipelineSystem start(String sink) {
        return PipelineSystem.start(TopologyTexts.valid("""
                sluice {
                  sources { fpga { type = simulated, poison = true, buffer-size = 64KiB, buffers = 16, frames = %d } }
                  sinks { net { type = tcp, from = fpga, %s } }
                }
                """.formatted(FRAMES, sink)));
    }

    private static PipelineSystem connecting(InetSocketAddress to, String more) {
        return start(
                "connect = \"127.0.0.1:" + to.getPort() + "\", reconnect-min = 5ms, reconnect-max = 20ms, " + more);
    }

    private static SinkCounters sink(PipelineSystem system) {
        return system.counters().sink("net");
    }

    private static int port(PipelineSystem system) {
        await(system, () -> !sink(system).listening().isEmpty());
        String address = sink(system).listening();
        return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    }

    private static void await(PipelineSystem system, BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            if (system.outcome().isDone()) {
                throw new AssertionError("ended too early: " + system.outcome().join());
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
    }

    private static Receiver.Options options(@Nullable TlsFiles tls, @Nullable KeyFile key, boolean reconnect) {
        return new Receiver.Options(Framing.SLUICE, true, null, reconnect, key, tls, address -> true);
    }

    private static CompletableFuture<Report> receive(Receiver receiver) {
        CompletableFuture<Report> report = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> report.complete(receiver.receive()));
        return report;
    }

    private static Report receiveFrom(int port, @Nullable TlsFiles tls) throws IOException {
        try (Receiver connecting = Receiver.connecting("localhost", port, options(tls, null, false))) {
            return connecting.receive();
        }
    }

    private static void assertWhole(PipelineSystem system, Report report) {
        Outcome outcome = system.outcome().join();
        assertThat(outcome.failure()).as("seed %d: %s", SEED, outcome).isNull();
        assertThat(report.problem()).as("seed %d: %s", SEED, report).isEmpty();
        assertThat(report.frames()).as("seed %d: %s", SEED, report).isEqualTo(FRAMES);
        assertThat(report.wrongBytes()).as("seed %d", SEED).isZero();
        assertThat(report.skippedBytes()).as("seed %d", SEED).isZero();
        assertThat(system.counters().source("fpga").device().lent()).isZero();
    }

    private static void stop(PipelineSystem system) {
        system.drain();
        system.outcome().join();
        assertThat(sink(system).framesSent.value()).isZero();
    }

    /** Whoever connects: with or without certificates of both ends, and with a key besides. */
    @ParameterizedTest
    @CsvSource({"false, live", "true, live", "false, resume", "true, resume"})
    void aReceiverThatListensAndIsTrustedGetsAll(boolean mutual, String delivery) throws Exception {
        KeyFile key = Greeting.keyFile(folder.resolve("key"), "a key of which nobody else has heard");
        TlsFiles here = mutual ? trusting(receiver, authority) : receiver;
        try (Receiver listening = new Receiver(ANY_PORT, options(here, key, false))) {
            CompletableFuture<Report> report = receive(listening);
            PipelineSystem system = connecting(
                    listening.address(),
                    "delivery = " + delivery + ", auth { key-file = \"" + key.path() + "\" }, "
                            + tls(trusting(mutual ? board : null, authority)));
            assertWhole(system, report.join());
            assertThat(system.outcome().join().summary().text()).contains("tls encrypts, and so copies");
            assertThat(sink(system).send.plain.value())
                    .isEqualTo(sink(system).send.sent.value())
                    .isGreaterThan(FRAMES * 65536L);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aReceiverThatConnectsAndIsTrustedGetsAll(int receivers) throws Exception {
        PipelineSystem system =
                start("listen = \"127.0.0.1:0\", receivers = " + receivers + ", " + tls(trusting(board, authority)));
        int port = port(system);
        Report stranger = receiveFrom(port, trusting(null, authority));
        assertThat(stranger.problem()).contains("certificate_required");
        assertThat(stranger.exitCode()).isEqualTo(1);
        await(system, () -> sink(system).handshakesFailed.value() == 1);
        assertWhole(system, receiveFrom(port, trusting(receiver, authority)));
    }

    @Test
    void aReceiverThatAnotherAuthorityVouchesForGetsNothing() throws Exception {
        Path other = certificates.authority("other");
        try (Receiver listening = new Receiver(ANY_PORT, options(receiver, null, true))) {
            CompletableFuture<Report> report = receive(listening);
            PipelineSystem system = connecting(listening.address(), tls(trusting(null, other)));
            await(system, () -> sink(system).handshakesFailed.value() >= 2);
            assertThat(report).isNotDone();
            stop(system);
            // An end that takes no other name for the one it asked for.
            TlsFiles elsewhere = certificates.end("elsewhere", "DNS:elsewhere", "ca", "ec");
            try (Receiver false_ = new Receiver(ANY_PORT, options(elsewhere, null, true))) {
                CompletableFuture<Report> nothing = receive(false_);
                PipelineSystem careful = connecting(false_.address(), tls(trusting(null, authority)));
                await(careful, () -> sink(careful).handshakesFailed.value() >= 2);
                assertThat(nothing).isNotDone();
                stop(careful);
            }
        }
    }

    @Test
    void endsOfWhichOneSpeaksNoTlsDoNotWaitForEachOther() throws Exception {
        try (Receiver plain = new Receiver(ANY_PORT, options(null, null, true));
                Receiver encrypted = new Receiver(ANY_PORT, options(receiver, null, true))) {
            CompletableFuture<Report> nothing = receive(plain);
            CompletableFuture<Report> report = receive(encrypted);
            PipelineSystem system = connecting(plain.address(), tls(trusting(null, authority)));
            await(system, () -> sink(system).handshakesFailed.value() >= 2);
            stop(system);
            PipelineSystem other = connecting(encrypted.address(), "transport = zerocopy");
            await(other, () -> sink(other).handshakesFailed.value() >= 2);
            stop(other);
            assertThat(nothing).isNotDone();
            // They were in nobody's way.
            assertWhole(connecting(encrypted.address(), tls(trusting(null, authority))), report.join());
            assertThat(report.join().turnedAway()).isGreaterThanOrEqualTo(2);
        }
    }

    @Test
    void strangersThatSayNothingOrNonsenseKeepNobodyWaiting() throws Exception {
        PipelineSystem system = start("listen = \"127.0.0.1:0\", handshake-timeout = 300ms, " + tls(board));
        int port = port(system);
        try (Socket silent = new Socket(InetAddress.getLoopbackAddress(), port);
                Socket loud = new Socket(InetAddress.getLoopbackAddress(), port)) {
            loud.getOutputStream().write("SLUICE".repeat(1000).getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            Report report = receiveFrom(port, trusting(null, authority));
            assertWhole(system, report);
            assertThat(silent.isConnected()).isTrue();
        }
        PipelineSystem again = start("listen = \"127.0.0.1:0\", handshake-timeout = 300ms, " + tls(board));
        try (Socket silent = new Socket(InetAddress.getLoopbackAddress(), port(again))) {
            await(again, () -> sink(again).handshakesFailed.value() == 1);
            assertThat(silent.getInetAddress().isLoopbackAddress()).isTrue();
        }
        stop(again);
    }

    /** What is changed on the way breaks the connection, without checksums of ours; nothing is lost, nothing wrong. */
    @Test
    void whatIsChangedOrCutOnTheWayIsSentAgain() throws Exception {
        System.out.println("seed " + SEED);
        try (Receiver listening = new Receiver(ANY_PORT, options(receiver, null, true));
                FaultProxy proxy = new FaultProxy(
                        listening.address(),
                        SEED,
                        Planned.after(100_000, Direction.TO_TARGET, new Fault.Fragment(700, 300_000)),
                        Planned.every(1_000_000, Direction.TO_TARGET, new Fault.Corrupt(1))
                                .atMost(4),
                        Planned.every(1_500_000, Direction.TO_TARGET, new Fault.Reset())
                                .atMost(4),
                        Planned.every(2_000_000, Direction.TO_TARGET, new Fault.HalfClose())
                                .atMost(4))) {
            CompletableFuture<Report> report = receive(listening);
            PipelineSystem system = connecting(proxy.address(), "delivery = resume, " + tls(trusting(null, authority)));
            assertWhole(system, report.join());
            assertThat(report.join().connections()).as("seed %d", SEED).isGreaterThan(2);
        }
    }

    /** Anybody's TLS will do with {@code framing = raw}: openssl's, here. */
    @Test
    void aReceiverOfAnotherMakeGetsTheBytes() throws Exception {
        Path file = folder.resolve("received");
        int port;
        try (java.net.ServerSocket free = new java.net.ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        Process server = new ProcessBuilder(
                        "openssl",
                        "s_server",
                        "-quiet",
                        "-naccept",
                        "1",
                        "-accept",
                        "127.0.0.1:" + port,
                        "-cert",
                        String.valueOf(receiver.certificate()),
                        "-key",
                        String.valueOf(receiver.privateKey()))
                .redirectOutput(file.toFile())
                .redirectError(folder.resolve("openssl.err").toFile())
                .start();
        try {
            PipelineSystem system = connecting(
                    new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
                    "framing = raw, " + tls(trusting(null, authority)));
            Outcome outcome = system.outcome().join();
            assertThat(outcome.failure()).as("%s", outcome).isNull();
            assertThat(server.waitFor()).isZero();
        } finally {
            server.destroy();
        }
        ByteBuffer received = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(received.remaining()).isEqualTo(FRAMES * 65536);
        for (long word = 0; received.hasRemaining(); word++) {
            assertThat(received.getLong()).isEqualTo(word);
        }
    }

    /** The word that the stream ends stands behind all that the socket still holds. */
    @Test
    void aRawStreamEndsWellAlsoIfTheReceiverIsSlow() throws Exception {
        for (int round = 0; round < 10; round++) {
            Receiver.Options raw =
                    new Receiver.Options(Framing.RAW, true, null, false, null, receiver, address -> true);
            try (Receiver listening = new Receiver(ANY_PORT, raw);
                    FaultProxy proxy = new FaultProxy(
                            listening.address(),
                            SEED + round,
                            Planned.after(
                                    4_000_000, Direction.TO_TARGET, new Fault.Throttle(5_000_000, Long.MAX_VALUE)))) {
                CompletableFuture<Report> report = receive(listening);
                PipelineSystem system = connecting(
                        proxy.address(), "framing = raw, send-buffer = 4KiB, " + tls(trusting(null, authority)));
                assertThat(report.join().problem()).as("seed %d", SEED + round).isEmpty();
                assertThat(report.join().verifiedBytes()).isEqualTo(FRAMES * 65536L);
                assertThat(system.outcome().join().failure()).isNull();
            }
        }
    }

    /** Such a sink is ready before the receiver has looked at its certificate, and hears of it with its frames. */
    @Test
    void aSinkOfRawFramesHearsWhyItIsRefused() throws Exception {
        Receiver.Options raw = new Receiver.Options(
                Framing.RAW, true, null, true, null, trusting(receiver, authority), address -> true);
        try (Receiver listening = new Receiver(ANY_PORT, raw)) {
            CompletableFuture<Report> report = receive(listening);
            PipelineSystem system = connecting(listening.address(), "framing = raw, " + tls(trusting(null, authority)));
            await(system, () -> sink(system).reconnects.value() >= 2);
            assertThat(report).isNotDone();
            system.drain();
            system.outcome().join();
        }
    }

    /** With {@code framing = raw} nothing else tells an end of the stream from a connection that somebody cut. */
    @Test
    void aRawStreamThatIsCutIsNotTakenForItsEnd() throws Exception {
        Receiver.Options raw = new Receiver.Options(Framing.RAW, true, null, false, null, receiver, address -> true);
        try (Receiver listening = new Receiver(ANY_PORT, raw);
                FaultProxy proxy = new FaultProxy(
                        listening.address(),
                        SEED,
                        Planned.after(1_000_000, Direction.TO_TARGET, new Fault.HalfClose()))) {
            CompletableFuture<Report> report = receive(listening);
            PipelineSystem system = connecting(proxy.address(), "framing = raw, " + tls(trusting(null, authority)));
            assertThat(report.join().problem()).contains("the peer did not say that it ends");
            system.drain();
            system.outcome().join();
        }
    }
}
