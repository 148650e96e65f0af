// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import static dev.sluice.wire.HostileStream.header;

import dev.sluice.Fuzz;
import dev.sluice.device.Pattern;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Header;
import dev.sluice.wire.HostileStream;
import dev.sluice.wire.Place;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** Whatever a sender says, the receiver ends with a report that can be true. */
final class ReceiverFuzzTest {

    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);

    /** For classes that an input is the first to need; everything else comes on top by what was said and answered. */
    private static final long MOST_BYTES = 1 << 20;

    private static final long MOST_BYTES_PER_ANSWER = 1 << 10;
    private static final long MOST_BYTES_PER_BYTE = 16;

    private static final java.util.regex.Pattern CUT_OFF =
            java.util.regex.Pattern.compile("inside frame \\d+ \\(\\d+ of (\\d+) bytes missing\\)");

    /** A sender that would be right, with streams that go on from connection to connection. */
    private static final class Sender {

        private final RandomGenerator random;
        private final int firstId;
        private final long[] position;
        private final long[] sequence;
        private final long identity;
        private final Duration silence;
        private final byte[] payload = new byte[64];
        private long frames;

        Sender(RandomGenerator random) {
            this.random = random;
            int streams = random.nextInt(20) == 0 ? Header.MOST_STREAMS : 1 + random.nextInt(3);
            firstId = random.nextInt(4) == 0 ? random.nextInt() : 0;
            position = new long[streams];
            sequence = new long[streams];
            identity = random.nextLong();
            silence = Duration.ofMillis(1L << random.nextInt(10, 20));
        }

        HostileStream connection(boolean harm) {
            HostileStream stream = new HostileStream(random);
            for (int i = 0; i < position.length; i++) {
                int id = firstId + i;
                int flags = random.nextInt(4);
                stream.add(header(h -> h.hello(id, position.length, flags, identity, Place.START, silence)));
            }
            for (int i = random.nextInt(6); i > 0; i--) {
                if (random.nextInt(8) == 0) {
                    stream.add(header(Header::keepAlive));
                } else {
                    stream.add(frame(random.nextInt(position.length)));
                }
            }
            if (random.nextInt(3) == 0) {
                for (int i = 0; i < position.length; i++) {
                    int number = i;
                    stream.add(header(h -> h.encode(
                            Header.TYPE_END, 0, firstId + number, 0, sequence[number], 0, position[number], 0)));
                }
                if (random.nextBoolean()) {
                    stream.add(header(Header::bye));
                }
            }
            if (harm && random.nextInt(16) == 0) {
                stream.add(header(Header::bye));
            }
            if (harm && random.nextInt(16) == 0) {
                int type = Header.TYPE_CHALLENGE + random.nextInt(2);
                stream.add(header(h -> h.secret(type, new byte[Header.SECRET_BYTES])));
            }
            return stream;
        }

        private byte[] frame(int number) {
            int length = random.nextInt(payload.length + 1);
            int lost = random.nextInt(8) == 0 ? random.nextInt(1000) : 0;
            position[number] += lost + (random.nextInt(8) == 0 ? random.nextInt(1000) : 0);
            long at = position[number];
            boolean words = ((at | length) & 7) == 0;
            int runs = random.nextInt(8) & (words ? -1 : ~Header.FLAG_WHOLE_WORDS);
            int flags = runs | random.nextInt(256) << Header.FIRST_TAG_BIT;
            for (int i = 0; i < length; i++) {
                payload[i] = (byte) (Pattern.word(at + i) >>> ((at + i & 7) * 8));
            }
            boolean checked = random.nextBoolean();
            CRC32C crc = new CRC32C();
            crc.update(payload, 0, length);
            byte[] head = header(h -> {
                h.encode(Header.TYPE_FRAME, flags, firstId + number, length, sequence[number], 0, at, lost);
                if (checked) {
                    h.checksum((int) crc.getValue());
                }
            });
            sequence[number]++;
            position[number] += (flags & Header.FLAG_EMITTED) != 0 ? 0 : length;
            frames++;
            byte[] message = Arrays.copyOf(head, Header.BYTES + length);
            System.arraycopy(payload, 0, message, Header.BYTES, length);
            return message;
        }
    }

    public static void fuzzerTestOneInput(byte[] choices) throws Exception {
        Fuzz.guided(choices, ReceiverFuzzTest::conversation);
    }

    @Test
    void aSenderCanSayWhatItLikes() throws Exception {
        Fuzz.run("receiver", Duration.ofSeconds(20), ReceiverFuzzTest::conversation);
    }

    private static void conversation(RandomGenerator random, Fuzz.Tally tally) throws Exception {
        Framing framing = random.nextInt(10) == 0 ? Framing.RAW : Framing.SLUICE;
        Receiver.Options options = new Receiver.Options(framing, random.nextBoolean(), null, random.nextBoolean());
        boolean listens = random.nextBoolean();
        try (Receiver receiver =
                listens ? new Receiver(ANY_PORT, options) : Receiver.connecting("nowhere", 1, options)) {
            Sender sender = new Sender(random);
            List<byte[]> others = new ArrayList<>();
            boolean harmed = false;
            long said = 0;
            for (int i = 1 + random.nextInt(80); i > 0; i--) {
                boolean harm = random.nextInt(8) > 0;
                harmed |= harm;
                HostileStream stream = sender.connection(harm);
                byte[] bytes = stream.harm(harm ? random.nextInt(4) : 0, others).toBytes(harm);
                said += bytes.length;
                HostileSender connection = new HostileSender(bytes, random);
                tally.begin(bytes);
                String problem = receiver.receiveFrom(connection);
                tally.end(
                        problem.isEmpty() ? "ended well" : problem,
                        MOST_BYTES + connection.answers() * MOST_BYTES_PER_ANSWER + bytes.length * MOST_BYTES_PER_BYTE);
                checkReport(receiver.report(Duration.ZERO, problem), said, framing);
                if (!harmed && framing == Framing.SLUICE) {
                    harmed = problem.isEmpty() || !connection.brokenBecause().isEmpty();
                    checkUnharmed(receiver.report(Duration.ZERO, problem), sender, connection);
                }
                others.addAll(stream.messages());
                if (others.size() > 100) {
                    others.subList(0, 50).clear();
                }
                if (random.nextInt(8) == 0) {
                    sender = new Sender(random);
                    harmed = true; // its frames are numbered from 0 again
                }
            }
        }
    }

    private static void checkReport(Report report, long said, Framing framing) {
        if (!report.problem().isEmpty()) {
            Fuzz.checkLine(report.problem());
        }
        Matcher cut = CUT_OFF.matcher(report.problem());
        Fuzz.check(
                !cut.find() || Long.parseLong(cut.group(1)) <= Header.MOST_PAYLOAD_BYTES,
                () -> "waited for too long a payload: " + report);
        long heads = framing == Framing.SLUICE ? report.frames() * Header.BYTES : 0;
        Fuzz.check(
                report.frames() >= 0
                        && report.bytes() >= 0
                        && report.verifiedBytes() >= 0
                        && report.wrongBytes() >= 0
                        && report.uncheckedBytes() >= 0
                        && report.lostBytes() >= 0
                        && report.skippedBytes() >= 0
                        && report.restarts() >= 0
                        && report.corrupt() >= 0
                        && report.wrongBytes() <= report.verifiedBytes(),
                () -> "not possible: " + report);
        Fuzz.check(heads + report.bytes() <= said, () -> "more than was said: " + report);
    }

    /** What was right is taken whole; only answers that are not taken can end it early. */
    private static void checkUnharmed(Report report, Sender sender, HostileSender connection) {
        Fuzz.check(
                !connection.brokenBecause().isEmpty()
                        || (report.frames() == sender.frames
                                && report.wrongBytes() == 0
                                && report.corrupt() == 0
                                && (report.problem().isEmpty()
                                        || report.problem().startsWith("the connection closed without an END"))),
                () -> "was right: " + report + " " + sender.frames);
    }
}
