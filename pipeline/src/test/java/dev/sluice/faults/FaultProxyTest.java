// SPDX-License-Identifier: Apache-2.0
package dev.sluice.faults;

import static dev.sluice.faults.Direction.TO_CLIENT;
import static dev.sluice.faults.Direction.TO_TARGET;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Each fault does what it says, between two plain sockets; and no more than that. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD) // a read of a socket cannot be interrupted
final class FaultProxyTest {

    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final Duration FOR_EVER = Duration.ofHours(1);
    private static final Duration A_WHILE = Duration.ofMillis(300);
    private static final int A_MOMENT_MILLIS = 100;

    private ServerSocket server;

    @BeforeEach
    void listen() throws IOException {
        server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    }

    @AfterEach
    void close() throws IOException {
        server.close();
    }

    private InetSocketAddress target() {
        return (InetSocketAddress) server.getLocalSocketAddress();
    }

    /** A proxy, and one connection through it. */
    private record Line(FaultProxy proxy, Socket client, Socket peer) implements AutoCloseable {

        void send(byte[] bytes) throws IOException {
            client.getOutputStream().write(bytes);
        }

        void answer(byte[] bytes) throws IOException {
            peer.getOutputStream().write(bytes);
        }

        byte[] received(int bytes) throws IOException {
            return peer.getInputStream().readNBytes(bytes);
        }

        byte[] answered(int bytes) throws IOException {
            return client.getInputStream().readNBytes(bytes);
        }

        @Override
        public void close() throws IOException {
            proxy.close();
            client.close();
            peer.close();
        }
    }

    private Line line(Planned... plan) throws IOException {
        return line(SEED, plan);
    }

    private Line line(long seed, Planned... plan) throws IOException {
        FaultProxy proxy = new FaultProxy(target(), seed, plan);
        Socket client = connect(proxy);
        return new Line(proxy, client, server.accept());
    }

    private static Socket connect(FaultProxy proxy) throws IOException {
        return new Socket(proxy.address().getAddress(), proxy.address().getPort());
    }

    private static byte[] bytes(int count) {
        byte[] bytes = new byte[count];
        new Random(SEED).nextBytes(bytes);
        return bytes;
    }

    private static <T> FutureTask<T> aside(Callable<T> work) {
        FutureTask<T> task = new FutureTask<>(work);
        Thread.ofPlatform().daemon().start(task);
        return task;
    }

    private static void assertNothingCame(Socket socket) throws IOException {
        socket.setSoTimeout(A_MOMENT_MILLIS);
        InputStream in = socket.getInputStream();
        assertThatExceptionOfType(SocketTimeoutException.class).isThrownBy(in::read);
        socket.setSoTimeout(0);
    }

    private static void assertReset(Socket socket) {
        assertThatExceptionOfType(SocketException.class)
                .isThrownBy(() -> socket.getInputStream().readAllBytes())
                .withMessageContaining("reset");
    }

    @Test
    void withoutFaultsEveryBytePassesBothWaysUpToTheEnd() throws Exception {
        byte[] question = bytes(1_000_000);
        byte[] answer = bytes(300_000);
        try (Line line = line()) {
            FutureTask<byte[]> received =
                    aside(() -> line.peer().getInputStream().readAllBytes());
            line.send(question);
            line.client().shutdownOutput();
            assertThat(received.get()).isEqualTo(question);

            FutureTask<byte[]> answered =
                    aside(() -> line.client().getInputStream().readAllBytes());
            line.answer(answer);
            line.peer().close();
            assertThat(answered.get()).isEqualTo(answer);
            assertThat(line.proxy().takenBytes(TO_TARGET)).isEqualTo(question.length);
            assertThat(line.proxy().takenBytes(TO_CLIENT)).isEqualTo(answer.length);
            assertThat(line.proxy().injected()).isEmpty();
        }
    }

    @Test
    void delayedBytesAreTakenAtOnceAndComeLater() throws Exception {
        try (Line line = line(Planned.after(10, TO_TARGET, new Fault.Delay(A_WHILE, 20)))) {
            byte[] sent = bytes(40);
            long began = System.nanoTime();
            line.send(sent);
            assertThat(line.received(40)).isEqualTo(sent);
            assertThat(System.nanoTime() - began).isGreaterThanOrEqualTo(A_WHILE.toNanos());
        }
        try (Line line = line(Planned.after(10, TO_TARGET, new Fault.Delay(FOR_EVER, 1000)))) {
            line.send(bytes(40));
            line.proxy().await(() -> line.proxy().takenBytes(TO_TARGET) == 40);
            assertThat(line.received(10)).hasSize(10);
            assertNothingCame(line.peer());
        }
    }

    @Test
    void stalledBytesAreNotTaken() throws Exception {
        try (Line line = line(Planned.after(10, TO_TARGET, new Fault.Stall(A_WHILE)))) {
            byte[] sent = bytes(40);
            long began = System.nanoTime();
            line.send(sent);
            assertThat(line.received(40)).isEqualTo(sent);
            assertThat(System.nanoTime() - began).isGreaterThanOrEqualTo(A_WHILE.toNanos());
        }
        try (Line line = line(Planned.after(10, TO_TARGET, new Fault.Stall(FOR_EVER)))) {
            line.send(bytes(40));
            assertThat(line.received(10)).hasSize(10);
            assertNothingCame(line.peer());
            assertThat(line.proxy().takenBytes(TO_TARGET)).isEqualTo(10);
            line.answer(bytes(5));
            assertThat(line.answered(5)).as("the other direction goes on").isEqualTo(bytes(5));
        }
    }

    @Test
    void throttledBytesTakeTheTimeOfTheirRate() throws Exception {
        try (Line line = line(Planned.after(0, TO_TARGET, new Fault.Throttle(100_000, 50_000)))) {
            byte[] sent = bytes(60_000);
            long began = System.nanoTime();
            line.send(sent);
            assertThat(line.received(60_000)).isEqualTo(sent);
            assertThat(System.nanoTime() - began).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(500));
        }
    }

    @Test
    void fragmentsComeOneByOneAndInOrder() throws Exception {
        // One write of the client's would come in one read, or in two if the peer woke up early.
        try (Line line = line(Planned.after(0, TO_CLIENT, new Fault.Fragment(3, 10_000)))) {
            byte[] sent = bytes(10_000);
            line.answer(sent);
            byte[] got = new byte[sent.length];
            int reads = 0;
            for (int at = 0; at < got.length; reads++) {
                at += line.client().getInputStream().read(got, at, got.length - at);
            }
            assertThat(got).isEqualTo(sent);
            assertThat(reads).isGreaterThan(10);
        }
    }

    @Test
    void corruptBytesDifferInOneBitAndNoOthersDo() throws Exception {
        try (Line line = line(Planned.after(100, TO_CLIENT, new Fault.Corrupt(7)))) {
            byte[] sent = bytes(1000);
            line.answer(sent);
            byte[] got = line.answered(1000);
            for (int i = 0; i < sent.length; i++) {
                assertThat(Integer.bitCount((sent[i] ^ got[i]) & 0xff))
                        .as("bits of byte " + i)
                        .isEqualTo(i >= 100 && i < 107 ? 1 : 0);
            }
            line.send(sent);
            assertThat(line.received(1000)).isEqualTo(sent);
        }
    }

    @Test
    void halfClosedDirectionEndsAndTheOtherGoesOn() throws Exception {
        try (Line line = line(Planned.after(10, TO_TARGET, new Fault.HalfClose()))) {
            line.send(bytes(1000));
            assertThat(line.peer().getInputStream().readAllBytes()).hasSize(10);
            line.answer(bytes(1000));
            assertThat(line.answered(1000)).isEqualTo(bytes(1000));
            line.send(bytes(1000));
            line.proxy().await(() -> line.proxy().takenBytes(TO_TARGET) == 2000);
        }
    }

    @Test
    void resetIsSeenAtBothEnds() throws Exception {
        try (Line line = line(Planned.after(10, TO_TARGET, new Fault.Reset()))) {
            line.send(bytes(11));
            assertReset(line.client());
            assertReset(line.peer());
            assertThat(line.proxy().takenBytes(TO_TARGET)).isEqualTo(10);
            assertThat(line.proxy().count(Fault.Reset.class)).isEqualTo(1);
        }
    }

    @Test
    void blackHoleSwallowsBothDirectionsAndClosesNothing() throws Exception {
        try (Line line = line(Planned.after(10, TO_TARGET, new Fault.BlackHole()))) {
            line.send(bytes(20));
            assertThat(line.received(10)).hasSize(10);
            line.proxy().await(() -> line.proxy().count(Fault.BlackHole.class) == 1);
            line.answer(bytes(20));
            line.client().shutdownOutput();
            assertNothingCame(line.client());
            assertNothingCame(line.peer());
        }
    }

    @Test
    void blackHoleOnDemandSwallowsWhatIsThereAndNotWhatConnectsLater() throws Exception {
        try (Line line = line();
                Socket later = connectAfter(line)) {
            line.send(bytes(20));
            line.answer(bytes(20));
            assertNothingCame(line.client());
            assertNothingCame(line.peer());
            try (Socket peer = server.accept()) {
                later.getOutputStream().write(7);
                assertThat(peer.getInputStream().read()).isEqualTo(7);
            }
            line.proxy().cut();
            assertReset(line.client());
        }
    }

    private static Socket connectAfter(Line line) throws Exception {
        line.proxy().await(() -> line.proxy().connections() == 1);
        line.proxy().blackHole();
        return connect(line.proxy());
    }

    @Test
    void cutResetsEveryConnection() throws Exception {
        try (Line line = line();
                Socket second = connect(line.proxy());
                Socket peer = server.accept()) {
            line.proxy().await(() -> line.proxy().connections() == 2);
            line.proxy().cut();
            assertReset(line.client());
            assertReset(line.peer());
            assertReset(second);
            assertReset(peer);
            assertThat(line.proxy().count(Fault.Reset.class)).isEqualTo(2);
        }
    }

    @Test
    void connectionsRunSideBySide() throws Exception {
        try (Line line =
                line(Planned.after(0, TO_TARGET, new Fault.Stall(FOR_EVER)).atMost(1))) {
            line.send(bytes(10));
            line.proxy().await(() -> line.proxy().count(Fault.Stall.class) == 1);
            try (Socket second = connect(line.proxy());
                    Socket peer = server.accept()) {
                second.getOutputStream().write(bytes(10));
                assertThat(peer.getInputStream().readNBytes(10)).isEqualTo(bytes(10));
            }
            assertNothingCame(line.peer());
        }
    }

    @Test
    void whileTheTargetIsDownConnectionsAreClosedAndThenGoToTheOtherOne() throws Exception {
        try (Line line = line();
                ServerSocket other = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            line.proxy().down();
            try (Socket refused = connect(line.proxy())) {
                assertThat(refused.getInputStream().read()).isEqualTo(-1);
            }
            assertThat(line.proxy().refused()).isEqualTo(1);
            line.send(bytes(10));
            assertThat(line.received(10)).as("what is connected stays so").isEqualTo(bytes(10));

            line.proxy().target((InetSocketAddress) other.getLocalSocketAddress());
            try (Socket client = connect(line.proxy());
                    Socket peer = other.accept()) {
                client.getOutputStream().write(9);
                assertThat(peer.getInputStream().read()).isEqualTo(9);
            }
            assertThat(line.proxy().connections()).isEqualTo(2);
        }
    }

    @Test
    void whileNobodyListensAtTheTargetConnectionsAreClosed() throws Exception {
        try (FaultProxy proxy = new FaultProxy(target(), SEED)) {
            server.close();
            try (Socket refused = connect(proxy)) {
                assertThat(refused.getInputStream().read()).isEqualTo(-1);
            }
            assertThat(proxy.refused()).isEqualTo(1);
            assertThat(proxy.connections()).isZero();
        }
    }

    @Test
    void anEndThatIsGoneIsToldToTheOther() throws Exception {
        try (Line line = line()) {
            line.peer().setSoLinger(true, 0);
            line.peer().close();
            assertReset(line.client());
        }
    }

    /** What became of a stream each way, and where. */
    private record Outcome(List<FaultProxy.Injected> faults, ByteBuffer received, ByteBuffer answered) {}

    private Outcome outcome(long seed, int bytesAtOnce) throws Exception {
        Planned[] plan = {
            Planned.every(20_000, TO_TARGET, new Fault.Corrupt(3)),
            Planned.every(30_000, TO_TARGET, new Fault.Fragment(50, 3000)),
            Planned.every(25_000, TO_CLIENT, new Fault.Corrupt(1)),
            Planned.every(60_000, TO_CLIENT, new Fault.Stall(Duration.ofMillis(1)))
                    .atMost(2),
        };
        byte[] all = bytes(300_000);
        try (Line line = line(seed, plan)) {
            FutureTask<byte[]> received = aside(() -> line.received(all.length));
            FutureTask<byte[]> answered = aside(() -> line.answered(all.length));
            for (int at = 0; at < all.length; at += bytesAtOnce) {
                byte[] part = Arrays.copyOfRange(all, at, Math.min(all.length, at + bytesAtOnce));
                line.send(part);
                line.answer(part);
            }
            ByteBuffer one = ByteBuffer.wrap(received.get());
            ByteBuffer other = ByteBuffer.wrap(answered.get());
            return new Outcome(
                    line.proxy().injected().stream()
                            .sorted(Comparator.comparing(FaultProxy.Injected::direction)
                                    .thenComparingLong(FaultProxy.Injected::position))
                            .toList(),
                    one,
                    other);
        }
    }

    @Test
    void sameSeedGivesTheSameFaultsAtTheSameBytesHoweverTheyAreSent() throws Exception {
        Outcome first = outcome(SEED, 300_000);
        Outcome again = outcome(SEED, 777);
        assertThat(again.faults()).isEqualTo(first.faults()).hasSizeGreaterThan(20);
        assertThat(again.received()).isEqualTo(first.received()).isNotEqualTo(ByteBuffer.wrap(bytes(300_000)));
        assertThat(again.answered()).isEqualTo(first.answered()).isNotEqualTo(ByteBuffer.wrap(bytes(300_000)));
        assertThat(first.faults().stream().filter(injected -> injected.fault() instanceof Fault.Stall))
                .hasSize(2);

        assertThat(outcome(SEED + 1, 300_000).faults()).isNotEqualTo(first.faults());
    }

    @Test
    void theNextConnectionHasFaultsOfItsOwn() throws Exception {
        Planned[] plan = {Planned.every(10_000, TO_TARGET, new Fault.Reset())};
        long[] positions = new long[2];
        try (FaultProxy proxy = new FaultProxy(target(), SEED, plan)) {
            for (int i = 0; i < positions.length; i++) {
                try (Socket client = connect(proxy);
                        Socket peer = server.accept()) {
                    client.getOutputStream().write(bytes(16_000));
                    assertReset(peer);
                }
                positions[i] = proxy.injected().get(i).position();
                assertThat(proxy.injected().get(i).connection()).isEqualTo(i);
            }
        }
        assertThat(positions[0]).isBetween(5_000L, 15_000L).isNotEqualTo(positions[1]);
    }
}
