// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * Type {@code channels}: of samples that are interleaved, one of each channel in turn, keeps those of some channels, in the
 * order in which they come. The turns go on from frame to frame; over a gap they are counted on by the bytes that were
 * lost.
 *
 * <p>Neighbouring channels lie side by side, and how long such a run is follows from the settings: so it is settled before
 * the first frame whether the runs go on as slices of the frame, without a copy, or, where they are too short for that to
 * pay, are packed into memory of the filter's own.
 */
public final class Channels implements Filter {

    /** Runs of one turn up to this length are copied as words, which costs less than a call for each. */
    private static final int MOST_WORD_BYTES = 64;

    /** Turns are packed so many bytes at a time, so that a second piece of them finds them in the nearest cache. */
    private static final int BLOCK_BYTES = 16 << 10;

    private final int turnBytes;
    private final int keptBytes;
    private final boolean packs;

    // Runs of bytes that are kept, within a turn.
    private final int[] runStart;
    private final int[] runEnd;

    // The same in pieces of 1, 2, 4 or 8 bytes, or whole runs where they are long; and where they go.
    private final int[] pieceStart;
    private final int[] pieceBytes;
    private final int[] packedStart;

    private int begun;
    private long packed;

    private Channels(int turnBytes, boolean[] picked, int sampleBytes, boolean packs) {
        this.turnBytes = turnBytes;
        this.packs = packs;
        List<int[]> runs = runs(picked, sampleBytes);
        runStart = runs.stream().mapToInt(run -> run[0]).toArray();
        runEnd = runs.stream().mapToInt(run -> run[1]).toArray();
        List<int[]> pieces = pieces(runs);
        pieceStart = pieces.stream().mapToInt(piece -> piece[0]).toArray();
        pieceBytes = pieces.stream().mapToInt(piece -> piece[1]).toArray();
        packedStart = new int[pieceBytes.length];
        int bytes = 0;
        for (int i = 0; i < pieceBytes.length; i++) {
            packedStart[i] = bytes;
            bytes += pieceBytes[i];
        }
        keptBytes = bytes;
    }

    private static List<int[]> runs(boolean[] picked, int sampleBytes) {
        List<int[]> runs = new ArrayList<>();
        for (int channel = 0; channel < picked.length; channel++) {
            if (picked[channel]) {
                int start = channel * sampleBytes;
                if (channel > 0 && picked[channel - 1]) {
                    runs.getLast()[1] = start + sampleBytes;
                } else {
                    runs.add(new int[] {start, start + sampleBytes});
                }
            }
        }
        return runs;
    }

    private static List<int[]> pieces(List<int[]> runs) {
        List<int[]> pieces = new ArrayList<>();
        for (int[] run : runs) {
            int start = run[0];
            while (start < run[1]) {
                int left = run[1] - start;
                int bytes = left > MOST_WORD_BYTES ? left : Math.min(Long.BYTES, Integer.highestOneBit(left));
                pieces.add(new int[] {start, bytes});
                start += bytes;
            }
        }
        return pieces;
    }

    /** Length of the runs that lie side by side in the stream, on average. The last of a turn may go on in the next. */
    private static long averageRunBytes(boolean[] picked, int sampleBytes) {
        List<int[]> runs = runs(picked, sampleBytes);
        int turnBytes = picked.length * sampleBytes;
        boolean goesOn = picked[0] && picked[picked.length - 1];
        int count = runs.size() - (goesOn ? 1 : 0);
        long bytes = runs.stream().mapToLong(run -> run[1] - run[0]).sum();
        return bytes == turnBytes ? Long.MAX_VALUE : bytes / count;
    }

    @Override
    public long scratchBytes(long mostFrameBytes) {
        return packs ? Math.min(mostFrameBytes, (mostFrameBytes / turnBytes + 2) * keptBytes) : 0;
    }

    @Override
    public void filter(Frame frame, Kept kept) {
        if (frame.lostBytes() > 0) {
            begun = (int) ((begun + frame.lostBytes()) % turnBytes);
        }
        if (packs) {
            pack(frame, kept);
        } else {
            slice(frame, kept);
        }
    }

    private void slice(Frame frame, Kept kept) {
        long size = frame.size();
        for (long turn = -begun; turn < size; turn += turnBytes) {
            for (int run = 0; run < runStart.length; run++) {
                long start = Math.max(0, turn + runStart[run]);
                long end = Math.min(size, turn + runEnd[run]);
                if (start < end) {
                    kept.keep(start, end - start);
                }
            }
        }
        begun = (int) ((begun + size) % turnBytes);
    }

    private void pack(Frame frame, Kept kept) {
        MemorySegment into = kept.scratch();
        packed = 0;
        for (int i = 0; i < frame.sliceCount(); i++) {
            packSlice(frame.memory(i), frame.sliceOffset(i), frame.sliceLength(i), into);
        }
        kept.emit(packed);
    }

    private void packSlice(MemorySegment from, long offset, long length, MemorySegment into) {
        long at = offset;
        long left = length;
        if (begun > 0) {
            int bytes = (int) Math.min(left, turnBytes - begun);
            packPart(from, at, bytes, into);
            at += bytes;
            left -= bytes;
        }
        long turnsAtOnce = Math.max(1, BLOCK_BYTES / turnBytes);
        for (long turns = left / turnBytes; turns > 0; turns -= turnsAtOnce) {
            int now = (int) Math.min(turns, turnsAtOnce);
            packTurns(from, at, now, into);
            at += (long) now * turnBytes;
            left -= (long) now * turnBytes;
        }
        if (left > 0) {
            packPart(from, at, (int) left, into);
        }
    }

    /** Bytes of the turn that has begun. */
    private void packPart(MemorySegment from, long offset, int bytes, MemorySegment into) {
        for (int run = 0; run < runStart.length; run++) {
            int start = Math.max(begun, runStart[run]);
            int end = Math.min(begun + bytes, runEnd[run]);
            if (start < end) {
                MemorySegment.copy(from, offset + start - begun, into, packed, end - start);
                packed += end - start;
            }
        }
        begun = (begun + bytes) % turnBytes;
    }

    private void packTurns(MemorySegment from, long offset, int turns, MemorySegment into) {
        for (int piece = 0; piece < pieceStart.length; piece++) {
            long at = offset + pieceStart[piece];
            long to = packed + packedStart[piece];
            switch (pieceBytes[piece]) {
                case 1 -> {
                    for (int turn = 0; turn < turns; turn++, at += turnBytes, to += keptBytes) {
                        into.set(JAVA_BYTE, to, from.get(JAVA_BYTE, at));
                    }
                }
                case 2 -> {
                    for (int turn = 0; turn < turns; turn++, at += turnBytes, to += keptBytes) {
                        into.set(SampleFormat.SHORT, to, from.get(SampleFormat.SHORT, at));
                    }
                }
                case 4 -> {
                    for (int turn = 0; turn < turns; turn++, at += turnBytes, to += keptBytes) {
                        into.set(SampleFormat.INT, to, from.get(SampleFormat.INT, at));
                    }
                }
                case 8 -> {
                    for (int turn = 0; turn < turns; turn++, at += turnBytes, to += keptBytes) {
                        into.set(SampleFormat.LONG, to, from.get(SampleFormat.LONG, at));
                    }
                }
                default -> {
                    for (int turn = 0; turn < turns; turn++, at += turnBytes, to += keptBytes) {
                        MemorySegment.copy(from, at, into, to, pieceBytes[piece]);
                    }
                }
            }
        }
        packed += (long) turns * keptBytes;
    }

    /** Makes {@link Channels} filters. */
    public static final class Factory implements FilterFactory {

        private static final int MOST_CHANNELS = 65536;

        @Override
        public String type() {
            return "channels";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            int channels = (int) settings.count("channels", 1, MOST_CHANNELS);
            int sampleBytes = (int) settings.bytes("sample-size", 1, Integer.MAX_VALUE / MOST_CHANNELS);
            long packBelow = settings.bytes("pack-below", 0);
            boolean[] picked = new boolean[channels];
            long last = -1;
            for (long channel : settings.counts("pick", 0, channels - 1)) {
                if (channel <= last) {
                    settings.problem(
                            "pick",
                            "has " + channel + " after " + last
                                    + "; channels stay in their order, so write each once and in rising order");
                    break;
                }
                if (channel < channels) {
                    picked[(int) channel] = true;
                    last = channel;
                }
            }
            if (last < 0) {
                return () -> new Channels(sampleBytes, new boolean[] {true}, sampleBytes, false); // never started
            }
            boolean packs = averageRunBytes(picked, sampleBytes) < packBelow;
            return () -> new Channels(channels * sampleBytes, picked.clone(), sampleBytes, packs);
        }
    }
}
