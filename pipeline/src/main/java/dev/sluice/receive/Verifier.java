// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Checks the counter pattern: 64-bit little-endian words that count up over all that the source produced, so that the
 * word at position p is p / 8. How strictly depends on what is known of the bytes.
 */
final class Verifier {

    /** What is known of the bytes that follow. */
    enum Run {
        /** The position of every byte: all are checked. */
        CONTIGUOUS,
        /** The position of the first, and that a filter left out whole words after it: words must rise. */
        CUT,
        /** A filter cut words in two, and nobody knows which: nothing is checked. */
        UNCHECKED,
        /** Nothing, there are no headers: words must count up, and a jump ahead is a gap. */
        UNKNOWN
    }

    private static final Logger LOG = LoggerFactory.getLogger(Verifier.class);
    private static final int MOST_REPORTS = 10;

    /** At the last position there is. */
    private static final long MOST_WORD = Long.MAX_VALUE >>> 3;

    private Run run = Run.UNKNOWN;

    /** Where the next byte belongs in the source's stream; of a cut run, the least it can be. */
    private long position;

    private long verifiedBytes;
    private long wrongBytes;
    private long uncheckedBytes;
    private long gapBytes;
    private long markedVerified;
    private long markedWrong;
    private long markedUnchecked;
    private int reports;

    /** A frame begins, which may be cut off. */
    void mark() {
        markedVerified = verifiedBytes;
        markedWrong = wrongBytes;
        markedUnchecked = uncheckedBytes;
    }

    /** What came since the mark does not count: it comes again. */
    void forget() {
        verifiedBytes = markedVerified;
        wrongBytes = markedWrong;
        uncheckedBytes = markedUnchecked;
    }

    /** Says what the bytes that follow are. */
    void begin(Run kind, long startPosition) {
        run = kind;
        position = startPosition;
    }

    /**
     * Checks bytes. Where words are only known by being whole, up to 7 bytes at the end are left in the buffer for the
     * next call.
     *
     * @param last no more bytes of this run follow: a word that was cut short counts as unchecked
     */
    void check(ByteBuffer bytes, boolean last) {
        bytes.order(ByteOrder.LITTLE_ENDIAN);
        if (run == Run.UNCHECKED) {
            uncheckedBytes += bytes.remaining();
            bytes.position(bytes.limit());
            return;
        }
        if (run == Run.CONTIGUOUS) {
            while (bytes.hasRemaining() && (position & 7) != 0) {
                checkByte(bytes.get());
            }
            if (bytes.remaining() >= Long.BYTES) {
                checkWords(bytes);
            }
            while (bytes.hasRemaining()) {
                checkByte(bytes.get());
            }
            return;
        }
        checkRisingWords(bytes);
        if (last) {
            uncheckedBytes += bytes.remaining();
            bytes.position(bytes.limit());
        }
    }

    private void checkByte(byte found) {
        byte expected = (byte) (position >>> 3 >>> ((position & 7) * 8));
        verifiedBytes++;
        if (found != expected) {
            wrongBytes++;
            report("byte 0x%02x where 0x%02x should be", found, expected);
        }
        position++;
    }

    private void checkWords(ByteBuffer bytes) {
        int end = bytes.limit() - (bytes.remaining() & 7);
        long expected = position >>> 3;
        for (int at = bytes.position(); at < end; at += Long.BYTES, expected++) {
            long found = bytes.getLong(at);
            if (found != expected) {
                wrongBytes += Long.BYTES;
                position = expected << 3;
                report("word 0x%016x where 0x%016x should be", found, expected);
            }
        }
        verifiedBytes += end - bytes.position();
        position = expected << 3;
        bytes.position(end);
    }

    private void checkRisingWords(ByteBuffer bytes) {
        int end = bytes.limit() - (bytes.remaining() & 7);
        long least = position >>> 3;
        for (int at = bytes.position(); at < end; at += Long.BYTES) {
            long found = bytes.getLong(at);
            if (found < least || found > MOST_WORD) {
                wrongBytes += Long.BYTES;
                position = least << 3;
                report("word 0x%016x where 0x%016x or more should be", found, least);
            } else {
                gapBytes = StreamPlace.sum(gapBytes, run == Run.UNKNOWN ? (found - least) << 3 : 0);
                least = found + 1;
            }
        }
        verifiedBytes += end - bytes.position();
        position = least << 3;
        bytes.position(end);
    }

    private void report(String format, Object found, Object expected) {
        if (reports++ < MOST_REPORTS) {
            String what = String.format(Locale.ROOT, format, found, expected);
            LOG.error("wrong {} at source position {}", what, position);
        }
    }

    /** Bytes looked at, wrong ones included. */
    long verifiedBytes() {
        return verifiedBytes;
    }

    long wrongBytes() {
        return wrongBytes;
    }

    /** Bytes that could not be checked: parts of a word, cut off by a filter or by the end. */
    long uncheckedBytes() {
        return uncheckedBytes;
    }

    /** Bytes by which the words of a stream without headers jumped ahead. */
    long gapBytes() {
        return gapBytes;
    }
}
