// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigIncludeContext;
import com.typesafe.config.ConfigIncluder;
import com.typesafe.config.ConfigIncluderClasspath;
import com.typesafe.config.ConfigIncluderFile;
import com.typesafe.config.ConfigIncluderURL;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseable;
import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a topology may include: files, of a size and in a number that somebody could have written. Anything else might have no
 * end. One for each topology.
 */
final class Includes implements ConfigIncluder, ConfigIncluderFile, ConfigIncluderURL, ConfigIncluderClasspath {

    /** Of one file: far above any topology, far below a capture that was named by mistake. */
    static final long MOST_BYTES = 1 << 20;

    /** Of one topology; each may include others, and the same one again. */
    private static final int MOST_FILES = 100;

    /** A name may be written without these. */
    private static final List<String> ENDINGS = List.of("", ".conf", ".json", ".properties");

    private final @Nullable ConfigIncluder library;

    /** Of all files, the topology's own first. */
    private final List<String> texts;

    /** @param text of the topology */
    Includes(String text) {
        this(null, new ArrayList<>(List.of(text)));
    }

    private Includes(@Nullable ConfigIncluder library, List<String> texts) {
        this.library = library;
        this.texts = texts;
    }

    /** What is wrong with a file that is to be read as a topology or a part of one; empty if nothing. */
    static String problem(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                return "is not a regular file";
            }
            return Files.size(file) > MOST_BYTES
                    ? "is larger than " + MOST_BYTES + " bytes: is it the right file?"
                    : "";
        } catch (IOException e) {
            return "cannot be read";
        }
    }

    @Override
    public ConfigIncluder withFallback(ConfigIncluder fallback) {
        return new Includes(fallback, texts);
    }

    @Override
    public ConfigObject include(ConfigIncludeContext context, String what) {
        for (String ending : ENDINGS) {
            ConfigParseable found = context.relativeTo(what + ending);
            String name = found == null ? null : found.origin().filename();
            if (name != null) {
                check(Path.of(name));
            }
        }
        return library().include(context, what);
    }

    @Override
    public ConfigObject includeFile(ConfigIncludeContext context, File what) {
        check(what.toPath());
        return library() instanceof ConfigIncluderFile of
                ? of.includeFile(context, what)
                : library().include(context, what.getPath());
    }

    @Override
    public ConfigObject includeURL(ConfigIncludeContext context, URL what) {
        throw new ConfigException.BadValue("include", "only files can be included, and " + what + " is none");
    }

    @Override
    public ConfigObject includeResources(ConfigIncludeContext context, String what) {
        throw new ConfigException.BadValue(
                "include", "only files can be included, and a resource " + what + " is none");
    }

    private void check(Path file) {
        if (Files.notExists(file)) {
            return; // which is allowed, or the library's to say
        }
        String problem = problem(file);
        if (problem.isEmpty()) {
            problem = added(file);
        }
        if (!problem.isEmpty()) {
            throw new ConfigException.BadValue("include", file + " " + problem);
        }
    }

    /** What is put in again and again may be spread over files. */
    private String added(Path file) {
        try {
            texts.add(Files.readString(file));
        } catch (CharacterCodingException e) {
            return "is not UTF-8 text";
        } catch (IOException e) {
            return "cannot be read";
        }
        if (texts.size() > MOST_FILES) {
            return "is included after " + MOST_FILES + " others, or the same ones again";
        }
        return Expansion.tooLongFrom(String.join("\n", texts)) > 0
                ? "makes the text too long: what is put in there has been put in too often before, one in the other"
                : "";
    }

    private ConfigIncluder library() {
        if (library == null) {
            throw new IllegalStateException("the library gives its own includer before it includes anything");
        }
        return library;
    }
}
