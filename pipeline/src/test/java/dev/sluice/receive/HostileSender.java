// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import dev.sluice.Fuzz;
import dev.sluice.wire.Header;
import dev.sluice.wire.WireException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * A connection whose other end says what it was told, in pieces of any length, and takes answers or not. What the receiver
 * says must be right, whatever it was told.
 */
final class HostileSender implements Incoming {

    private static final int ANSWERS = 1 << Header.TYPE_WELCOME | 1 << Header.TYPE_ACK;

    private final byte[] says;
    private final RandomGenerator random;
    private final int longestPiece;
    private final byte[] answer = new byte[Header.BYTES];
    private final Header heard = new Header(MemorySegment.ofArray(answer));
    private int at;
    private int steps;
    private int answers;
    private boolean welcomed;
    private int answersTaken;
    private String brokenBecause = "";

    HostileSender(byte[] says, RandomGenerator random) {
        this.says = says;
        this.random = random;
        longestPiece = random.nextInt(4) == 0 ? 1 + random.nextInt(70) : 1 << 20;
        answersTaken = random.nextInt(8) == 0 ? random.nextInt(4) : Integer.MAX_VALUE;
    }

    /** Headers that the receiver said. */
    int answers() {
        return answers;
    }

    @Override
    public Object peer() {
        return "somebody";
    }

    @Override
    public String brokenBecause() {
        return brokenBecause;
    }

    @Override
    public void breakOff(String because) {
        brokenBecause = because;
    }

    @Override
    public boolean read(ByteBuffer into, BeforeWaiting waiting) throws IOException {
        Fuzz.check(into.hasRemaining(), () -> "reads into a full buffer");
        Fuzz.check(steps++ <= says.length, () -> "reads more often than there are bytes");
        if (brokenBecause.isEmpty() && random.nextInt(4) == 0) {
            Fuzz.check(!waiting.longest().isNegative(), () -> "waits for less than nothing");
        }
        int piece = Math.min(Math.min(into.remaining(), says.length - at), 1 + random.nextInt(longestPiece));
        if (!brokenBecause.isEmpty() || piece == 0) {
            return false;
        }
        into.put(says, at, piece);
        at += piece;
        return true;
    }

    @Override
    public void write(ByteBuffer bytes, Duration longest) {
        Fuzz.check(bytes.remaining() % Header.BYTES == 0, () -> "says half a header");
        while (bytes.hasRemaining() && brokenBecause.isEmpty()) {
            bytes.get(answer);
            answers++;
            try {
                heard.validate(ANSWERS);
            } catch (WireException e) {
                throw new AssertionError("says what is not right: " + e.getMessage(), e);
            }
            boolean welcome = heard.type() == Header.TYPE_WELCOME;
            Fuzz.check(welcome || welcomed, () -> "says an ACK before the WELCOME");
            welcomed |= welcome;
            if (--answersTaken < 0) {
                brokenBecause = "the sender took no acknowledgement";
            }
        }
    }

    @Override
    public void interrupt() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
