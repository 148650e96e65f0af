// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import dev.sluice.testkit.FilterTester;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/** A stream of frames of random bytes, with gaps, each in random slices, for comparing a filter to a plain loop. */
final class RandomStream {

    static final int MOST_FRAME_BYTES = 3000;

    /** One frame of it. */
    @SuppressWarnings("ArrayRecordComponent") // compared by nobody
    record Piece(long lostBytes, int start, byte[] bytes, byte[][] slices) {
        int end() {
            return start + bytes.length;
        }
    }

    /** What lies between two gaps: bytes of the stream, the first of them so many bytes into its unit. */
    record Stretch(int start, int end, int phase) {}

    final List<Piece> pieces = new ArrayList<>();
    final byte[] all;

    RandomStream(RandomGenerator random) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int most = random.nextBoolean() ? 12 : MOST_FRAME_BYTES;
        int frames = random.nextInt(1, 30);
        boolean gaps = random.nextBoolean();
        for (int i = 0; i < frames; i++) {
            byte[] piece = new byte[random.nextInt(1, most + 1)];
            random.nextBytes(piece);
            long lost = gaps && random.nextInt(4) == 0 ? random.nextInt(1, 50) : 0;
            pieces.add(new Piece(lost, bytes.size(), piece, slices(random, piece)));
            bytes.writeBytes(piece);
        }
        all = bytes.toByteArray();
    }

    private static byte[][] slices(RandomGenerator random, byte[] bytes) {
        List<byte[]> slices = new ArrayList<>();
        int most = random.nextBoolean() ? bytes.length : random.nextInt(1, bytes.length + 1);
        for (int at = 0; at < bytes.length; ) {
            int end = random.nextInt(4) == 0 ? bytes.length : Math.min(bytes.length, at + random.nextInt(1, most + 1));
            slices.add(Arrays.copyOfRange(bytes, at, end));
            at = end;
        }
        return slices.toArray(byte[][]::new);
    }

    /** Feeds it all. Returns what came out. */
    List<FilterTester.Output> feed(FilterTester tester) {
        List<FilterTester.Output> outputs = new ArrayList<>();
        for (Piece piece : pieces) {
            outputs.addAll(tester.frame(piece.lostBytes(), 0, piece.slices()));
        }
        outputs.addAll(tester.finish());
        return outputs;
    }

    List<Stretch> stretches(int unitBytes) {
        List<Stretch> stretches = new ArrayList<>();
        long lost = 0;
        int start = 0;
        for (Piece piece : pieces) {
            if (piece.lostBytes() > 0 && piece.start() > 0) {
                stretches.add(new Stretch(start, piece.start(), (int) ((start + lost) % unitBytes)));
                start = piece.start();
            }
            lost += piece.lostBytes();
        }
        stretches.add(new Stretch(start, all.length, (int) ((start + lost) % unitBytes)));
        return stretches;
    }

    /** Where the whole units of all stretches begin. */
    List<Integer> units(int unitBytes) {
        List<Integer> units = new ArrayList<>();
        for (Stretch stretch : stretches(unitBytes)) {
            int first = stretch.start() + (unitBytes - stretch.phase()) % unitBytes;
            for (int at = first; at + unitBytes <= stretch.end(); at += unitBytes) {
                units.add(at);
            }
        }
        return units;
    }

    /** The sample at a place. */
    double sample(int at, SampleFormat format, SampleFormat.Order order) {
        ByteBuffer four = ByteBuffer.allocate(4);
        byte[] bytes = Arrays.copyOfRange(all, at, at + format.bytes());
        boolean signed = format.name().startsWith("S");
        if (order == SampleFormat.Order.LITTLE) {
            four.order(ByteOrder.LITTLE_ENDIAN);
            four.put(0, bytes);
            for (int i = bytes.length; i < 4; i++) {
                four.put(i, (byte) (signed && bytes[bytes.length - 1] < 0 ? -1 : 0));
            }
        } else {
            four.put(4 - bytes.length, bytes);
            for (int i = 0; i < 4 - bytes.length; i++) {
                four.put(i, (byte) (signed && bytes[0] < 0 ? -1 : 0));
            }
        }
        return switch (format) {
            case F32 -> four.getFloat(0);
            case U32 -> four.getInt(0) & 0xffff_ffffL;
            default -> four.getInt(0);
        };
    }
}
