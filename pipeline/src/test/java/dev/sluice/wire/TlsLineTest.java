// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.SelectionKey;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.random.RandomGenerator;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Both ends of TLS over a line that takes and gives what it likes. */
final class TlsLineTest {

    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final int MOST_STEPS = 100_000;

    @TempDir
    private static Path folder;

    private static TlsFiles server = new TlsFiles(null, null, null);
    private static TlsFiles client = new TlsFiles(null, null, null);

    private final RandomGenerator random = new Random(SEED);

    @BeforeAll
    static void makeCertificates() throws IOException {
        Certificates certificates = new Certificates(folder);
        client = new TlsFiles(null, null, certificates.authority("ca"));
        server = certificates.end("server", "IP:127.0.0.1", "ca", "ec");
    }

    /** One direction of a line. */
    private static final class Pipe {
        private final Deque<Byte> bytes = new ArrayDeque<>();
        private boolean closed;

        /** Which byte of all that pass is changed; -1 for none. */
        private long wrong = -1;

        private long passed;
    }

    /** An end of a line. */
    private final class End implements ByteChannel {

        private final Pipe in;
        private final Pipe out;

        End(Pipe in, Pipe out) {
            this.in = in;
            this.out = out;
        }

        @Override
        public int read(ByteBuffer into) {
            int some = some(Math.min(into.remaining(), in.bytes.size()));
            for (int i = 0; i < some; i++) {
                into.put(in.bytes.remove());
            }
            return some == 0 && in.bytes.isEmpty() && in.closed ? -1 : some;
        }

        @Override
        public int write(ByteBuffer from) {
            int some = some(Math.min(from.remaining(), 40_000 - out.bytes.size()));
            for (int i = 0; i < some; i++) {
                byte one = from.get();
                out.bytes.add(out.passed++ == out.wrong ? (byte) (one ^ 1 << random.nextInt(8)) : one);
            }
            return some;
        }

        private int some(int most) {
            return most == 0 || random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(most);
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }

    private final Pipe up = new Pipe();
    private final Pipe down = new Pipe();

    private TlsLine connecting() throws IOException {
        return new TlsLine(new End(down, up), new Tls(client).engine("127.0.0.1", 1));
    }

    private TlsLine listening() throws IOException {
        return new TlsLine(new End(up, down), new Tls(server).engine(null, 0));
    }

    private static void shake(TlsLine one, TlsLine other) throws IOException {
        for (int step = 0; (one.shake() | other.shake()) != 0; step++) {
            assertThat(step).as("seed %d", SEED).isLessThan(MOST_STEPS);
        }
    }

    /** Says something in pieces. */
    private final class Speaker {
        private final byte[] words;
        private final ByteBuffer piece = ByteBuffer.allocateDirect(50_000).limit(0);
        private int said;

        Speaker(int bytes) {
            words = new byte[bytes];
            random.nextBytes(words);
        }

        boolean speak(TlsLine line) throws IOException {
            if (!piece.hasRemaining()) {
                int some = Math.min(words.length - said, 1 + random.nextInt(piece.capacity()));
                piece.clear().put(words, said, some).flip();
                said += some;
            }
            line.write(piece);
            return said < words.length || piece.hasRemaining();
        }
    }

    private void hear(TlsLine line, ByteArrayOutputStream heard) throws IOException {
        byte[] some = new byte[1 + random.nextInt(20_000)];
        int got = line.read(ByteBuffer.wrap(some));
        if (got > 0) {
            heard.write(some, 0, got);
        }
    }

    @Test
    void whatIsSaidInBothDirectionsComesAsItWas() throws Exception {
        TlsLine one = connecting();
        TlsLine other = listening();
        shake(one, other);
        Speaker upwards = new Speaker(700_000);
        Speaker downwards = new Speaker(300_000);
        ByteArrayOutputStream heardAbove = new ByteArrayOutputStream();
        ByteArrayOutputStream heardBelow = new ByteArrayOutputStream();
        for (int step = 0;
                heardAbove.size() < upwards.words.length || heardBelow.size() < downwards.words.length;
                step++) {
            assertThat(step).as("seed %d", SEED).isLessThan(MOST_STEPS);
            upwards.speak(one);
            downwards.speak(other);
            hear(one, heardBelow);
            hear(other, heardAbove);
        }
        assertThat(heardAbove.toByteArray()).as("seed %d", SEED).isEqualTo(upwards.words);
        assertThat(heardBelow.toByteArray()).as("seed %d", SEED).isEqualTo(downwards.words);
        one.finish();
        for (int step = 0; other.read(ByteBuffer.allocate(1)) == 0; step++) {
            assertThat(step).as("seed %d", SEED).isLessThan(MOST_STEPS);
            one.write(ByteBuffer.allocate(0)); // what it has to say goes out bit by bit
        }
        assertThat(other.holds()).isFalse();
    }

    /** What has come and fills the reader's space must be asked for again: the line itself will raise no event. */
    @Test
    void itSaysThatItHoldsWhatDidNotFit() throws Exception {
        TlsLine one = connecting();
        TlsLine other = listening();
        shake(one, other);
        ByteBuffer words = ByteBuffer.wrap(new byte[1000]);
        while (words.hasRemaining()) {
            one.write(words);
        }
        one.write(words);
        ByteBuffer space = ByteBuffer.allocate(10);
        while (space.hasRemaining()) {
            other.read(space);
        }
        assertThat(other.holds()).isTrue();
        ByteBuffer rest = ByteBuffer.allocate(1000);
        while (rest.position() < 990) {
            other.read(rest);
        }
        assertThat(other.holds()).isFalse();
    }

    /** Both ends are closed then, which looks as if there were nothing left to agree on. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aPeerThatGivesUpTheHandshakeHasNotDoneIt(boolean begins) throws Exception {
        TlsLine line = listening();
        if (begins) {
            TlsLine peer = connecting();
            for (int flushed = 0; flushed == 0 || up.passed > flushed; ) {
                flushed = (int) up.passed;
                for (int step = 0; step < 100; step++) {
                    peer.shake();
                }
            }
        }
        for (int one : new int[] {0x15, 3, 3, 0, 2, 1, 90, 0x15, 3, 3, 0, 2, 1, 0}) { // user_canceled, close_notify
            up.bytes.add((byte) one);
        }
        assertThatThrownBy(() -> {
                    for (int step = 0; step < MOST_STEPS; step++) {
                        line.shake();
                    }
                })
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith("the TLS handshake failed: ");
        assertThatThrownBy(() -> {
                    for (int step = 0; step < MOST_STEPS; step++) {
                        line.write(ByteBuffer.allocate(100));
                    }
                })
                .isInstanceOf(SSLException.class);
    }

    /** Each answer to a key update (RFC 8446, 4.6.3) waits in memory until it can be sent. */
    @Test
    void aPeerThatAsksForAnswersAndReadsNoneIsGivenUp() throws Exception {
        SSLEngine engine = new Tls(client).engine("127.0.0.1", 1);
        TlsLine one = new TlsLine(new End(down, up), engine);
        TlsLine other = listening();
        shake(one, other);
        ByteBuffer more = ByteBuffer.wrap(new byte[200_000]);
        for (int step = 0; step < 1000; step++) {
            other.write(more); // until nobody takes any more
        }
        assertThatThrownBy(() -> {
                    for (int step = 0; step < MOST_STEPS; step++) {
                        if (engine.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NOT_HANDSHAKING) {
                            engine.beginHandshake(); // after the first one: a key update, which asks for another
                        }
                        one.write(ByteBuffer.allocate(1));
                        other.read(ByteBuffer.allocate(1 << 16));
                    }
                })
                .isInstanceOf(SSLException.class)
                .hasMessage("the peer asks again and again, and does not read the answers");
    }

    @Test
    void aConnectionThatEndsWithoutAWordWasCutOff() throws Exception {
        TlsLine one = connecting();
        TlsLine other = listening();
        shake(one, other);
        up.closed = true;
        assertThatThrownBy(() -> {
                    while (other.read(ByteBuffer.allocate(10)) == 0) {
                        // the line may have nothing to say at first
                    }
                })
                .isInstanceOf(SSLException.class)
                .hasMessage("the connection was cut off: the peer did not say that it ends");
    }

    @Test
    void whoIsThereButSpeaksNoTlsIsToldApart() throws Exception {
        for (byte one : "GET / HTTP/1.1\r\n\r\n".getBytes(java.nio.charset.StandardCharsets.US_ASCII)) {
            up.bytes.add(one);
        }
        TlsLine line = listening();
        assertThatThrownBy(() -> {
                    while (line.shake() != 0) {
                        // bit by bit
                    }
                })
                .isInstanceOf(IOException.class)
                .hasMessage("the TLS handshake failed: the peer does not speak TLS");
    }

    /**
     * Nothing wrong is given out, wherever a byte is changed. Most changes are noticed; some bytes say nothing, such as the
     * version of a record (RFC 8446, 5.1).
     */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatIsChangedOnTheWayIsNotTaken(boolean upwards) throws Exception {
        int whole = 0;
        for (int round = 0; round < 60; round++) {
            up.bytes.clear();
            down.bytes.clear();
            up.passed = 0;
            down.passed = 0;
            (upwards ? up : down).wrong = random.nextInt(3000);
            TlsLine one = connecting();
            TlsLine other = listening();
            Speaker above = new Speaker(5000);
            Speaker below = new Speaker(5000);
            ByteArrayOutputStream heardAbove = new ByteArrayOutputStream();
            ByteArrayOutputStream heardBelow = new ByteArrayOutputStream();
            IOException failure = null;
            try {
                // An end whose peer has failed may wait for more as long as it is let.
                shakeFor(one, other);
                for (int step = 0; step < 1000; step++) {
                    above.speak(one);
                    below.speak(other);
                    hear(one, heardBelow);
                    hear(other, heardAbove);
                }
            } catch (IOException e) {
                failure = e;
            }
            String what = "seed " + SEED + ", round " + round + ": " + failure;
            assertThat(isBeginningOf(heardAbove, above.words)).as(what).isTrue();
            assertThat(isBeginningOf(heardBelow, below.words)).as(what).isTrue();
            whole += heardAbove.size() == 5000 && heardBelow.size() == 5000 ? 1 : 0;
        }
        assertThat(whole).as("seed %d", SEED).isLessThan(10);
    }

    private static void shakeFor(TlsLine one, TlsLine other) throws IOException {
        for (int step = 0; (one.shake() | other.shake()) != 0; step++) {
            if (step == 1000) {
                throw new IOException("it waits for more");
            }
        }
    }

    private static boolean isBeginningOf(ByteArrayOutputStream heard, byte[] words) {
        return Arrays.equals(heard.toByteArray(), 0, heard.size(), words, 0, heard.size());
    }

    @Test
    void randomBytesAreRefusedInTime() throws Exception {
        for (int round = 0; round < 300; round++) {
            up.bytes.clear();
            down.bytes.clear();
            byte[] bytes = new byte[random.nextInt(40_000)];
            random.nextBytes(bytes);
            if (bytes.length > 5 && random.nextBoolean()) {
                bytes[0] = 22; // handshake, TLS 1.0, as the first record of every version begins (RFC 8446, 5.1)
                bytes[1] = 3;
                bytes[2] = 1;
            }
            for (byte one : bytes) {
                up.bytes.add(one);
            }
            up.closed = true;
            assertThat(failure(listening()))
                    .as("seed %d, round %d", SEED, round)
                    .isNotNull();
        }
    }

    /** Alerts that mean nothing, for as long as they are read. */
    private static final class Flood implements ByteChannel {

        private static final byte[] USER_CANCELED = {21, 3, 3, 0, 2, 1, 90}; // RFC 8446, 6.1

        private int at;

        @Override
        public int read(ByteBuffer into) {
            int some = into.remaining();
            while (into.hasRemaining()) {
                into.put(USER_CANCELED[at++ % USER_CANCELED.length]);
            }
            return some;
        }

        @Override
        public int write(ByteBuffer from) {
            int some = from.remaining();
            from.position(from.limit());
            return some;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }

    /** Whoever serves others, too, must get its turn back, and can look at the clock. */
    @Test
    @Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aPeerThatNeverStopsBeforeItHasSaidWhoItIsIsLeftForAWhile() throws Exception {
        TlsLine line = new TlsLine(new Flood(), new Tls(server).engine(null, 0));
        assertThat(line.shake()).isEqualTo(SelectionKey.OP_READ);
        assertThat(line.shake()).isEqualTo(SelectionKey.OP_READ);
    }

    @Test
    void everyConnectionLooksAtTheCertificates() throws Exception {
        Tls listens = new Tls(server);
        Tls connects = new Tls(client);
        List<Long> sessions = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            up.bytes.clear();
            down.bytes.clear();
            SSLEngine engine = connects.engine("127.0.0.1", 1);
            TlsLine one = new TlsLine(new End(down, up), engine);
            TlsLine other = new TlsLine(new End(up, down), listens.engine(null, 0));
            shake(one, other);
            ByteBuffer said = ByteBuffer.allocateDirect(1); // behind the ticket that the session could be resumed with
            ByteBuffer into = ByteBuffer.allocateDirect(1);
            for (int step = 0; into.hasRemaining() && step < MOST_STEPS; step++) {
                other.write(said);
                one.read(into);
            }
            sessions.add(engine.getSession().getCreationTime());
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1100));
        }
        assertThat(sessions).doesNotHaveDuplicates();
    }

    private static @Nullable IOException failure(TlsLine line) {
        try {
            for (int step = 0; step < MOST_STEPS; step++) {
                line.shake();
            }
            return null;
        } catch (IOException e) {
            return e;
        }
    }
}
