// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.wire.Authentication;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import dev.sluice.wire.KeyFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A receiver that listens, and strangers. */
@Timeout(value = 2, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class EntranceTest {

    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);

    @TempDir
    private Path folder;

    private KeyFile key;
    private KeyFile other;

    @BeforeEach
    void makeKeys() throws IOException {
        key = Greeting.keyFile(folder.resolve("key"), "a key of which nobody else has heard");
        other = Greeting.keyFile(folder.resolve("other"), "a key of which somebody else has heard");
    }

    private static boolean anybody(InetAddress address) {
        return address.isLoopbackAddress(); // as all are in a test
    }

    private static <T> CompletableFuture<T> async(Callable<T> task) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> {
            try {
                result.complete(task.call());
            } catch (Throwable t) {
                result.completeExceptionally(t);
            }
        });
        return result;
    }

    private Receiver receiver(Predicate<InetAddress> allows) throws IOException {
        return new Receiver(ANY_PORT, new Receiver.Options(Framing.SLUICE, true, null, false, key, null, allows));
    }

    private static Socket connect(InetSocketAddress to) throws IOException {
        return new Socket(to.getAddress(), to.getPort());
    }

    private static Authentication sender(KeyFile key) throws IOException {
        return new Authentication(key.read(), Authentication.Role.SENDER, true);
    }

    /** What a sender with the key has to say: a stream of no frames. */
    private static byte[] stream() {
        byte[] end = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(end)).encode(Header.TYPE_END, 0, 0, 0, 0, 0, 0, 0);
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        stream.writeBytes(Greeting.hello(7));
        stream.writeBytes(end);
        return stream.toByteArray();
    }

    private void sendWell(InetSocketAddress to) throws IOException {
        try (Socket socket = connect(to)) {
            Authentication authentication = sender(key);
            Greeting.authenticate(socket, authentication);
            assertThat(authentication.done()).isTrue();
            socket.getOutputStream().write(stream());
            socket.shutdownOutput();
            socket.getInputStream().transferTo(OutputStream.nullOutputStream());
        }
    }

    /** What the receiver says to this before it hangs up. */
    private static byte[] answer(InetSocketAddress to, byte[]... said) throws IOException {
        ByteArrayOutputStream heard = new ByteArrayOutputStream();
        try (Socket socket = connect(to)) {
            for (byte[] bytes : said) {
                socket.getOutputStream().write(bytes);
            }
            socket.getInputStream().transferTo(heard);
        } catch (SocketException e) { // it hung up on what it had not read
            assertThat(e).hasMessageMatching("Connection reset.*|Broken pipe.*");
        }
        return heard.toByteArray();
    }

    /** One CHALLENGE, and nothing that depends on the key. */
    private static void assertToldNothing(byte[] heard) throws IOException {
        assertThat(heard.length).isIn(0, Header.BYTES); // a reset can overtake it
        if (heard.length > 0) {
            new Header(MemorySegment.ofArray(heard)).validate(1 << Header.TYPE_CHALLENGE);
        }
    }

    @Test
    void strangersAreTurnedAwayAndCountedAndTheSenderIsStillAwaited() throws Exception {
        try (Receiver receiver = receiver(EntranceTest::anybody)) {
            CompletableFuture<Report> report = async(receiver::receive);
            byte[] noise = new byte[1 << 20];
            new Random(1).nextBytes(noise);
            byte[] challenge = sender(key).begin();
            byte[] flipped = challenge.clone();
            flipped[30] ^= 1;

            assertToldNothing(answer(receiver.address(), noise));
            assertToldNothing(answer(receiver.address(), stream()));
            assertToldNothing(answer(receiver.address(), flipped));
            assertToldNothing(answer(receiver.address(), challenge, challenge));
            connect(receiver.address()).close();
            try (Socket socket = connect(receiver.address())) {
                assertToldNothing(Greeting.authenticate(socket, sender(other)));
            }
            sendWell(receiver.address());

            assertThat(report.get().problem()).isEmpty();
            assertThat(report.get().exitCode()).isZero();
            assertThat(report.get().turnedAway()).isEqualTo(6);
            assertThat(report.get().connections()).isEqualTo(1);
            assertThat(report.get().text()).contains("turned away  6 connections, not allowed or without the key\n");
            assertThat(report.get().json()).contains("\"turned_away\":6");
        }
    }

    @Test
    void aRecordedConnectionOpensNoOther() throws Exception {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        try (Receiver receiver = receiver(EntranceTest::anybody)) {
            CompletableFuture<Report> report = async(receiver::receive);
            try (Socket socket = connect(receiver.address())) {
                byte[] bytes = new byte[Header.BYTES];
                Authentication authentication = sender(key);
                said.writeBytes(authentication.begin());
                socket.getOutputStream().write(said.toByteArray());
                socket.getInputStream().readNBytes(bytes, 0, bytes.length);
                byte[] proof = authentication.take(new Header(MemorySegment.ofArray(bytes)));
                said.writeBytes(proof);
                said.writeBytes(stream());
                socket.getOutputStream().write(proof);
                socket.getOutputStream().write(stream());
                socket.shutdownOutput();
                socket.getInputStream().transferTo(OutputStream.nullOutputStream());
            }
            assertThat(report.get().exitCode()).isZero();
        }
        try (Receiver receiver = receiver(EntranceTest::anybody)) {
            CompletableFuture<Report> report = async(receiver::receive);
            assertToldNothing(answer(receiver.address(), said.toByteArray()));
            sendWell(receiver.address());
            assertThat(report.get().turnedAway()).isEqualTo(1);
            assertThat(report.get().exitCode()).isZero();
        }
    }

    @Test
    void whatTheReceiverSaysItselfOpensNothing() throws Exception {
        try (Receiver receiver = receiver(EntranceTest::anybody)) {
            CompletableFuture<Report> report = async(receiver::receive);
            try (Socket mirror = connect(receiver.address())) {
                byte[] challenge = mirror.getInputStream().readNBytes(Header.BYTES);
                mirror.getOutputStream().write(challenge);
                assertThat(mirror.getInputStream().read()).isEqualTo(-1);
            }
            sendWell(receiver.address());
            assertThat(report.get().turnedAway()).isEqualTo(1);
        }
    }

    @Test
    void aHundredSilentStrangersDoNotKeepTheSenderOut() throws Exception {
        List<Socket> strangers = new ArrayList<>();
        try (Receiver receiver = receiver(EntranceTest::anybody)) {
            CompletableFuture<Report> report = async(receiver::receive);
            for (int i = 0; i < 100; i++) {
                strangers.add(connect(receiver.address()));
            }
            sendWell(receiver.address());
            assertThat(report.get().exitCode()).isZero();
            assertThat(report.get().turnedAway()).isEqualTo(101 - Entrance.MOST_GUESTS);
            assertThat(report.get().elapsed()).isLessThan(Duration.ofSeconds(10)); // none of them was waited for
        } finally {
            for (Socket stranger : strangers) {
                stranger.close();
            }
        }
    }

    @Test
    void ofSeveralThatHaveTheKeyAtTheSameTimeOneIsLetIn() throws Exception {
        for (int round = 0; round < 30; round++) {
            List<CompletableFuture<Boolean>> proved = new ArrayList<>();
            try (Entrance entrance = new Entrance(ANY_PORT, key, null, EntranceTest::anybody, Duration.ofDays(1))) {
                InetSocketAddress address = entrance.address();
                for (int i = 0; i < 8; i++) {
                    proved.add(async(() -> proves(address)));
                }
                try (IncomingSocket sender = entrance.next(Duration.ZERO)) {
                    assertThat(sender).isNotNull();
                }
            }
            int in = 0;
            for (CompletableFuture<Boolean> one : proved) {
                in += one.get() ? 1 : 0;
            }
            assertThat(in).isEqualTo(1);
        }
    }

    private boolean proves(InetSocketAddress to) {
        try (Socket socket = connect(to)) {
            Authentication authentication = sender(key);
            Greeting.authenticate(socket, authentication);
            return authentication.done();
        } catch (IOException e) {
            return false; // another was faster
        }
    }

    /** One says nothing, one a byte now and then: both for ever, if they could. */
    @Test
    void whoTakesTooLongIsTurnedAwayHoweverMuchItSays() throws Exception {
        Duration patience = Duration.ofMillis(300);
        try (Entrance entrance = new Entrance(ANY_PORT, key, null, EntranceTest::anybody, patience);
                Socket silent = connect(entrance.address());
                Socket slow = connect(entrance.address())) {
            CompletableFuture<Integer> left =
                    async(() -> untilClosed(slow, sender(key).begin()));
            CompletableFuture<Integer> leftToo = async(() -> untilClosed(silent, new byte[0]));
            assertThat(entrance.next(patience.multipliedBy(4))).isNull();
            assertThat(entrance.turnedAway()).isEqualTo(2);
            assertThat(left.get()).isBetween(1, Header.BYTES - 1);
            assertThat(leftToo.get()).isZero();
        }
    }

    /** How many of the bytes could be said, one at a time, until the other end hung up. */
    private static int untilClosed(Socket socket, byte[] bytes) throws IOException {
        socket.getInputStream().readNBytes(Header.BYTES);
        socket.setSoTimeout(20);
        int said = 0;
        while (true) {
            try {
                return socket.getInputStream().read() < 0 ? said : -1;
            } catch (SocketTimeoutException e) {
                if (said < bytes.length) {
                    socket.getOutputStream().write(bytes[said++]);
                }
            } catch (SocketException e) {
                return said;
            }
        }
    }

    @Test
    void whoComesFromElsewhereIsTurnedAway() throws Exception {
        try (Receiver receiver = receiver(address -> address.getHostAddress().equals("127.0.0.1"))) {
            CompletableFuture<Report> report = async(receiver::receive);
            try (Socket socket = new Socket()) {
                socket.bind(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.2"), 0));
                socket.connect(receiver.address());
                assertThat(socket.getInputStream().read()).isEqualTo(-1);
            }
            sendWell(receiver.address());
            assertThat(report.get().turnedAway()).isEqualTo(1);
            assertThat(report.get().exitCode()).isZero();
        }
    }

    @Test
    void aSenderWithoutNeedOfAKeyIsLetInAtOnce() throws Exception {
        try (Entrance entrance = new Entrance(ANY_PORT, null, null, EntranceTest::anybody, Duration.ofDays(1));
                Socket socket = connect(entrance.address());
                IncomingSocket sender = entrance.next(Duration.ZERO)) {
            assertThat(sender).isNotNull();
            assertThat(sender.peer()).isEqualTo(socket.getLocalSocketAddress());
        }
    }

    @Test
    void aReceiverThatIsClosedWaitsNoLonger() throws Exception {
        Receiver receiver = receiver(EntranceTest::anybody);
        CompletableFuture<Report> report = async(receiver::receive);
        try (Socket stranger = connect(receiver.address())) {
            assertThat(stranger.getInputStream().readNBytes(Header.BYTES)).hasSize(Header.BYTES); // it waits
            receiver.close();
            assertThat(report.get().problem()).isEqualTo("the receiver was closed");
        }
    }

    @Test
    void aKeyThatCannotBeUsedIsToldAtTheStart() {
        Receiver.Options options = new Receiver.Options(
                Framing.SLUICE, true, null, false, new KeyFile(folder), null, EntranceTest::anybody);
        assertThatThrownBy(() -> new Receiver(ANY_PORT, options)).hasMessageContaining("is not a regular file");
        assertThatThrownBy(() -> Receiver.connecting("localhost", 1, options))
                .hasMessageContaining("is not a regular file");
    }
}
