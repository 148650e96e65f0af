// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import java.util.zip.CRC32C;

/**
 * What somebody says who knows the format and means harm: a list of messages that were right once. Most harm is done with
 * the CRCs made right again, since what a wrong one covers is never looked at.
 */
public final class HostileStream {

    /** At and bytes of each field. */
    private static final int[][] FIELDS = {
        {0, 4}, {4, 1}, {5, 1}, {6, 2}, {8, 4}, {12, 4}, {16, 8}, {24, 8}, {32, 8}, {40, 8}, {48, 8}, {56, 4}
    };

    private static final long[] INTERESTING = {
        0,
        1,
        -1,
        7,
        8,
        64,
        65,
        255,
        1 << 16,
        1 << 20,
        Header.MOST_PAYLOAD_BYTES,
        Header.MOST_PAYLOAD_BYTES + 1,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        1L << 32,
        1L << 60,
        1L << 62,
        Long.MAX_VALUE - 8,
        Long.MAX_VALUE - 1,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        Long.MIN_VALUE + 1
    };

    private static final int CRC_AT = 60;

    private final RandomGenerator random;
    private final List<byte[]> messages = new ArrayList<>();
    private final CRC32C crc = new CRC32C();

    public HostileStream(RandomGenerator random) {
        this.random = random;
    }

    /** Adds a message: a header, and what follows it. */
    public void add(byte[] message) {
        messages.add(message);
    }

    /** Does harm so many times; {@code others} are messages of other conversations, to be mixed in. */
    public HostileStream harm(int times, List<byte[]> others) {
        for (int i = 0; i < times && !messages.isEmpty(); i++) {
            harm(others);
        }
        return this;
    }

    private void harm(List<byte[]> others) {
        int at = random.nextInt(messages.size());
        switch (random.nextInt(10)) {
            case 0, 1, 2, 3 -> setField(change(at));
            case 4 -> flip(change(at));
            case 5 -> messages.add(random.nextInt(messages.size() + 1), messages.get(at));
            case 6 -> messages.remove(at);
            case 7 -> messages.set(at, messages.set(random.nextInt(messages.size()), messages.get(at)));
            case 8 -> {
                if (!others.isEmpty()) {
                    messages.add(at, others.get(random.nextInt(others.size())));
                }
            }
            default -> {
                byte[] noise = new byte[random.nextInt(1, 80)];
                random.nextBytes(noise);
                messages.add(at, noise);
            }
        }
    }

    /** A copy, since the message may be in the list, or in another one, twice. */
    private byte[] change(int at) {
        byte[] changed = messages.get(at).clone();
        messages.set(at, changed);
        return changed;
    }

    private void setField(byte[] message) {
        if (message.length < Header.BYTES) {
            return;
        }
        int[] field = FIELDS[random.nextInt(FIELDS.length)];
        ByteBuffer bytes = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
        long was =
                field[1] == 8 ? bytes.getLong(field[0]) : field[1] == 4 ? bytes.getInt(field[0]) : bytes.get(field[0]);
        long value = switch (random.nextInt(4)) {
            case 0 -> was + random.nextLong(-9, 10);
            case 1 -> random.nextLong() >>> random.nextInt(64);
            case 2 -> INTERESTING[random.nextInt(INTERESTING.length)];
            default -> INTERESTING[random.nextInt(INTERESTING.length)] - was;
        };
        switch (field[1]) {
            case 1 -> bytes.put(field[0], (byte) value);
            case 2 -> bytes.putShort(field[0], (short) value);
            case 4 -> bytes.putInt(field[0], (int) value);
            default -> bytes.putLong(field[0], value);
        }
        rightCrc(message);
    }

    private void flip(byte[] message) {
        for (int i = random.nextInt(1, 4); i > 0; i--) {
            int bit = random.nextInt(message.length * 8);
            message[bit / 8] ^= (byte) (1 << bit % 8);
        }
        if (message.length >= Header.BYTES && random.nextBoolean()) {
            rightCrc(message);
        }
    }

    private void rightCrc(byte[] message) {
        crc.reset();
        crc.update(message, 0, CRC_AT);
        ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN).putInt(CRC_AT, (int) crc.getValue());
    }

    /** What goes over the connection; cut off somewhere, now and then, if harm is meant. */
    public byte[] toBytes(boolean cut) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        messages.forEach(all::writeBytes);
        byte[] bytes = all.toByteArray();
        if (!cut || bytes.length == 0 || random.nextInt(4) > 0) {
            return bytes;
        }
        return Arrays.copyOf(bytes, random.nextInt(bytes.length));
    }

    public List<byte[]> messages() {
        return messages;
    }

    /** A header in bytes of its own. */
    public static byte[] header(Consumer<Header> encode) {
        byte[] bytes = new byte[Header.BYTES];
        encode.accept(new Header(MemorySegment.ofArray(bytes)));
        return bytes;
    }
}
