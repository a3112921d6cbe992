//! The logical data structure of Doc 9303-10: files, data groups, MRZ, transliteration.
