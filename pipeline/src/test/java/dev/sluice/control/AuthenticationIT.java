// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.metrics.SinkCounters;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Authentication;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import dev.sluice.wire.KeyFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
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
import org.junit.jupiter.params.provider.ValueSource;

/** {@code auth}: frames go to receivers that have the key, and to nobody else, whatever strangers do. */
@Timeout(value = 2, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class AuthenticationIT {

    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final String SECRET = "a key of which nobody else has heard";

    @TempDir
    private Path folder;

    private KeyFile key;
    private KeyFile other;

    @BeforeEach
    void makeKeys() throws IOException {
        key = Greeting.keyFile(folder.resolve("key"), SECRET);
        other = Greeting.keyFile(folder.resolve("other"), "a key of which somebody else has heard");
    }

    private static PipelineSystem start(@Nullable KeyFile key, String sink) {
        return PipelineSystem.start(TopologyTexts.valid(
                """
                sluice {
                  sources { fpga { type = simulated, poison = true, buffer-size = 64KiB, buffers = 16, frames = 200 } }
                  sinks { net { type = tcp, from = fpga, %s %s } }
                }
                """.formatted(sink, key == null ? "" : ", auth { key-file = \"" + key.path() + "\" }")));
    }

    private static PipelineSystem connecting(InetSocketAddress to, @Nullable KeyFile key) {
        return start(key, "connect = \"127.0.0.1:" + to.getPort() + "\", reconnect-min = 5ms, reconnect-max = 20ms");
    }

    private static PipelineSystem listening(@Nullable KeyFile key, String more) {
        return start(key, "listen = \"127.0.0.1:0\"" + more);
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

    private static Receiver.Options options(@Nullable KeyFile key) {
        return new Receiver.Options(Framing.SLUICE, true, null, false, key, null, address -> true);
    }

    private static CompletableFuture<Report> receive(Receiver receiver) {
        CompletableFuture<Report> report = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> report.complete(receiver.receive()));
        return report;
    }

    private static void close(Receiver receiver) throws IOException {
        receiver.close();
    }

    private static Report receiveFrom(int port, @Nullable KeyFile key) throws IOException {
        try (Receiver receiver = Receiver.connecting("127.0.0.1", port, options(key))) {
            return receiver.receive();
        }
    }

    /** All 200 frames came, and the run ended well. */
    private static void assertWhole(PipelineSystem system, Report report) {
        Outcome outcome = system.outcome().join();
        assertThat(outcome.failure()).as("%s", outcome).isNull();
        assertThat(outcome.exitCode()).isZero();
        assertThat(report.problem()).isEmpty();
        assertThat(report.frames()).isEqualTo(200);
        assertThat(report.wrongBytes()).isZero();
        assertThat(system.counters().source("fpga").device().lent()).isZero();
    }

    private static void stop(PipelineSystem system) {
        system.drain();
        system.outcome().join();
        assertThat(system.counters().source("fpga").device().lent()).isZero();
        assertThat(sink(system).framesSent.value()).isZero();
    }

    @Test
    void aReceiverThatListensAndHasTheKeyGetsAll() throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options(key))) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = connecting(receiver.address(), key);
            assertWhole(system, report.join());
            assertThat(report.join().turnedAway()).isZero();
            assertThat(sink(system).handshakesFailed.value()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aReceiverThatConnectsAndHasTheKeyGetsAll(int receivers) throws Exception {
        PipelineSystem system = listening(key, ", receivers = " + receivers);
        assertWhole(system, receiveFrom(port(system), key));
        assertThat(sink(system).handshakesFailed.value()).isZero();
    }

    /** The file is read for each connection, so that a key can be replaced while both run. */
    @Test
    void anotherKeyGetsNothingUntilItIsReplacedByTheRightOne() throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options(key))) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = connecting(receiver.address(), other);
            await(system, () -> sink(system).handshakesFailed.value() >= 3);
            assertThat(report).isNotDone();
            Path next = Greeting.keyFile(folder.resolve("next"), SECRET).path();
            Files.move(next, other.path(), StandardCopyOption.ATOMIC_MOVE);
            assertWhole(system, report.join());
            assertThat(report.join().turnedAway()).isGreaterThanOrEqualTo(3);
            assertThat(system.outcome().join().summary().text())
                    .containsPattern("handshakes   \\d+ failed: the peer spoke something else, too slowly, or could");
            assertThat(system.outcome().join().summary().json()).contains("\"handshakes_failed\":");
        }
    }

    @Test
    void aReceiverThatConnectsWithAnotherKeyOrNoneGetsNothing() throws Exception {
        PipelineSystem system = listening(key, "");
        int port = port(system);
        Report wrong = receiveFrom(port, other);
        assertThat(wrong.problem())
                .startsWith(
                        "the sender closed the connection before it proved that it has the key: it may have another, "
                                + "or none");
        assertThat(wrong.exitCode()).isEqualTo(1);
        assertThat(wrong.turnedAway()).isEqualTo(1);
        assertThat(receiveFrom(port, null).problem())
                .isEqualTo("the sender asks for a key, and here is none: write receive --key-file FILE");
        await(system, () -> sink(system).handshakesFailed.value() == 2);
        assertWhole(system, receiveFrom(port, key));
    }

    @Test
    void aReceiverWithAKeyTakesNothingFromASinkWithoutOne() throws Exception {
        PipelineSystem listens = listening(null, "");
        Report report = receiveFrom(port(listens), key);
        assertThat(report.problem())
                .isEqualTo("the sender has no key, and here one is asked for: write auth { key-file = "
                        + "\"/etc/sluice/key\" } in the sink");
        await(listens, () -> sink(listens).handshakesFailed.value() == 1);
        stop(listens);
        try (Receiver receiver = new Receiver(ANY_PORT, options(key))) {
            CompletableFuture<Report> awaiting = receive(receiver);
            PipelineSystem connects = connecting(receiver.address(), null);
            await(connects, () -> sink(connects).handshakesFailed.value() >= 2);
            assertThat(awaiting).isNotDone();
            stop(connects);
            close(receiver);
            assertThat(awaiting.join().turnedAway()).isGreaterThanOrEqualTo(2);
        }
    }

    @Test
    void aSinkWithAKeyGivesNothingToAReceiverWithoutOne() throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options(null))) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = connecting(receiver.address(), key);
            assertThat(report.join().problem())
                    .isEqualTo("the sender asks for a key, and here is none: write receive --key-file FILE");
            await(system, () -> sink(system).handshakesFailed.value() >= 1);
            stop(system);
        }
    }

    /** What else the other end says before it hangs up, which is with a reset where it has not read all. */
    private static byte[] untilClosed(Socket socket) throws IOException {
        ByteArrayOutputStream heard = new ByteArrayOutputStream();
        try {
            socket.getInputStream().transferTo(heard);
        } catch (SocketException e) {
            assertThat(e).hasMessageMatching("Connection reset.*");
        }
        return heard.toByteArray();
    }

    /** The sink says its CHALLENGE, and nothing that depends on the key. */
    private static void assertToldNothing(int port, byte[] said) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            byte[] heard = socket.getInputStream().readNBytes(Header.BYTES);
            new Header(MemorySegment.ofArray(heard)).validate(1 << Header.TYPE_CHALLENGE);
            try {
                socket.getOutputStream().write(said);
            } catch (SocketException e) { // it hung up before it was told all
                assertThat(e).hasMessageMatching("Connection reset.*|Broken pipe.*");
            }
            assertThat(untilClosed(socket)).isEmpty();
        }
    }

    @Test
    void whatAStrangerRecordedOrMadeUpOpensNothing() throws Exception {
        PipelineSystem system = listening(key, "");
        int port = port(system);
        ByteArrayOutputStream recorded = new ByteArrayOutputStream();
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            Authentication right = new Authentication(key.read(), Authentication.Role.RECEIVER, true);
            recorded.writeBytes(right.begin());
            socket.getOutputStream().write(recorded.toByteArray());
            byte[] challenge = socket.getInputStream().readNBytes(Header.BYTES);
            byte[] proof = right.take(new Header(MemorySegment.ofArray(challenge)));
            recorded.writeBytes(proof);
            socket.getOutputStream().write(proof);
            byte[] proved = socket.getInputStream().readNBytes(Header.BYTES);
            right.take(new Header(MemorySegment.ofArray(proved)));
            assertThat(right.done()).isTrue();
        }
        await(system, () -> sink(system).handshakesFailed.value() == 1); // it left before it said what it wants
        assertToldNothing(port, recorded.toByteArray());
        byte[] noise = new byte[1 << 20];
        new Random(1).nextBytes(noise);
        assertToldNothing(port, noise);
        assertToldNothing(port, "GET / HTTP/1.1\r\n\r\n".repeat(10).getBytes(StandardCharsets.US_ASCII));
        try (Socket mirror = new Socket(InetAddress.getLoopbackAddress(), port)) {
            byte[] challenge = mirror.getInputStream().readNBytes(Header.BYTES);
            mirror.getOutputStream().write(challenge);
            assertThat(untilClosed(mirror)).isEmpty();
        }
        await(system, () -> sink(system).handshakesFailed.value() == 5);
        assertWhole(system, receiveFrom(port, key));
    }

    /** As a receiver that listens, and has recorded what one with the key said once. */
    @Test
    void aSinkThatConnectsIsNotDeceivedByARecordedReceiver() throws Exception {
        byte[] challenge;
        byte[] proof;
        try (ServerSocket right = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            PipelineSystem system = connecting((InetSocketAddress) right.getLocalSocketAddress(), key);
            try (Socket socket = right.accept()) {
                Authentication receiver = new Authentication(key.read(), Authentication.Role.RECEIVER, false);
                challenge = receiver.begin();
                socket.getOutputStream().write(challenge);
                receiver.take(
                        new Header(MemorySegment.ofArray(socket.getInputStream().readNBytes(Header.BYTES))));
                proof = receiver.take(
                        new Header(MemorySegment.ofArray(socket.getInputStream().readNBytes(Header.BYTES))));
                socket.getOutputStream().write(proof);
                byte[] hello = socket.getInputStream().readNBytes(Header.BYTES);
                new Header(MemorySegment.ofArray(hello)).validate(1 << Header.TYPE_HELLO);
            }
            try (Socket socket = right.accept()) {
                socket.getOutputStream().write(challenge);
                socket.getOutputStream().write(proof);
                assertThat(untilClosed(socket)).hasSize(2 * Header.BYTES); // its challenge and its proof, and no HELLO
            }
            try (Socket mirror = right.accept()) {
                byte[] heard = mirror.getInputStream().readNBytes(Header.BYTES);
                mirror.getOutputStream().write(heard);
                assertThat(untilClosed(mirror)).isEmpty();
            }
            await(system, () -> sink(system).handshakesFailed.value() >= 3);
            stop(system);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aHundredSilentStrangersDoNotKeepAReceiverOut(boolean asked) throws Exception {
        PipelineSystem system = listening(asked ? key : null, ", handshake-timeout = 1h");
        int port = port(system);
        List<Socket> strangers = new ArrayList<>();
        try {
            for (int i = 0; i < 100; i++) {
                strangers.add(new Socket(InetAddress.getLoopbackAddress(), port));
            }
            await(system, () -> sink(system).handshakesFailed.value() == 100 - 64);
            assertWhole(system, receiveFrom(port, asked ? key : null));
        } finally {
            for (Socket stranger : strangers) {
                stranger.close();
            }
        }
        assertThat(sink(system).handshakesFailed.value()).isEqualTo(100 - 63);
    }

    @Test
    void whoSaysAByteNowAndThenIsCutOffInTime() throws Exception {
        PipelineSystem system = listening(key, ", handshake-timeout = 300ms");
        byte[] challenge = new Authentication(key.read(), Authentication.Role.RECEIVER, true).begin();
        int said = 0;
        try (Socket slow = new Socket(InetAddress.getLoopbackAddress(), port(system))) {
            slow.getInputStream().readNBytes(Header.BYTES);
            slow.setSoTimeout(20);
            while (said < challenge.length) {
                try {
                    assertThat(slow.getInputStream().read()).isEqualTo(-1);
                    break;
                } catch (SocketTimeoutException e) {
                    slow.getOutputStream().write(challenge[said++]);
                }
            }
        } catch (SocketException e) {
            assertThat(e).hasMessageMatching("Connection reset.*|Broken pipe.*");
        }
        assertThat(said).isBetween(1, challenge.length - 1);
        await(system, () -> sink(system).handshakesFailed.value() == 1);
        stop(system);
    }

    @Test
    void aKeyThatOthersCanReadIsRefusedAtTheStart() throws Exception {
        Files.setPosixFilePermissions(key.path(), PosixFilePermissions.fromString("rw-r--r--"));
        Outcome outcome = start(key, "connect = \"127.0.0.1:1\"").outcome().join();
        assertThat(outcome.started()).isFalse();
        assertThat(outcome.exitCode()).isEqualTo(1);
        assertThat(outcome.failure())
                .hasMessage("net: the key file " + key.path() + " is open to others than its owner; chmod 600 "
                        + key.path());
    }
}
